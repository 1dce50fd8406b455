// The configuration lies below every room that uses it: what those rooms find in it is handed in (src/load-config.ts).
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'

const room = new URL('../../src/config/', import.meta.url)
const sources = readdirSync(room).filter((name) => name.endsWith('.ts'))

for (const name of sources) {
  test(`config/${name} imports nothing of a room above`, () => {
    const text = readFileSync(new URL(name, room), 'utf8')
    const outside = [...text.matchAll(/from '(\.\.\/[^']+)'/g)].map(([, path]) => path)
    assert.deepEqual(
      outside.filter((path) => path !== '../errors.ts'),
      [],
    )
  })
}
