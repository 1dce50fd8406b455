// docs/findings.md: each row's tests are where it says, and carry its number; no test carries a number that the page lacks.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

const rows = read('docs/findings.md')
  .split('\n')
  .flatMap((line) => {
    const [, id, ...cells] = line.split(/ *\| */)
    if (id === undefined || !/^[A-E]\d+$/.test(id)) return []
    return [{ id, files: [...(cells[2] ?? '').matchAll(/`([^`]+)`/g)].map(([, file = '']) => file), before: cells[3] }]
  })

test('every row of the review is on the page', () => {
  const counts = { A: 9, B: 14, C: 16, D: 9, E: 8 }
  const all = Object.entries(counts).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, at) => `${letter}${at + 1}`),
  )
  assert.deepEqual([...new Set(rows.map(({ id }) => id))], all)
})

test('each row names test files that have tests of its number', () => {
  for (const { id, files, before } of rows) {
    assert.ok(files.length > 0, id)
    assert.match(before ?? '', /^(run|new)$/, id)
    for (const file of files) assert.match(read(file), new RegExp(`[( ]${id}[,)]`), `${id}: ${file}`)
  }
})

test('each number in the name of a test is on the page', () => {
  const known = new Set(rows.map(({ id }) => id))
  for (const file of globSync('test/**/*.test.ts', { cwd: root })) {
    for (const [, numbers = ''] of read(file).matchAll(/\(([A-E]\d{1,2}(?:, [A-E]\d{1,2})*)\)[`'"]/g)) {
      for (const number of numbers.split(', ')) assert.ok(known.has(number), `${file}: ${number}`)
    }
  }
})
