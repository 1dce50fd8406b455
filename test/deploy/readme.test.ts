// README.md: what operators look up in it is what the service says.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { denialTexts, errorTexts } from '../../src/pages/texts.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const codes = readFileSync(join(root, 'README.md'), 'utf8').split('## Codes\n')[1]?.split('\n## ')[0] ?? ''
const listed = [...codes.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) => cell.replaceAll('`', '').split(', '))

test('every code that a page can show is in the table of codes', () => {
  const families = listed.filter((code) => code.endsWith('*')).map((code) => code.slice(0, -1))
  const lacking = Object.keys({ ...errorTexts, ...denialTexts }).filter(
    (code) => !listed.includes(code) && !families.some((family) => code.startsWith(family)),
  )
  assert.deepEqual(lacking, [])
})

test('the table of codes names none that the service never says', () => {
  const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'))
  assert.ok(listed.length > 30)
  for (const code of listed) {
    const said = code.endsWith('*') ? `'${code.slice(0, -1)}` : `'${code}'`
    assert.ok(
      sources.some((source) => source.includes(said)),
      code,
    )
  }
})
