// `npm ci` refuses a lock file that leaves out an optional build for another platform, and leaves everybody without packages.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

interface Locked {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
}

const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
// npm's own format, version 3.
const { packages } = JSON.parse(text) as Locked

test('the lock file names the optional builds of every platform', () => {
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined && packages[`${place}/node_modules/${name}`] === undefined,
    ),
  )
  assert.deepEqual(missing, [])
})

test('the lock file names no host', () => {
  assert.doesNotMatch(text, /"resolved"/)
})
