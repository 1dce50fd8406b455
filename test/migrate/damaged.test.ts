// Files come damaged: cut, pasted twice, with lines of another. Whatever they are, the migration ends with a configuration that holds
// (or that says what it lacks) or with words about the file; and it ends soon.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { MigrationInputError } from '../../src/migrate/input.ts'
import { migrate } from '../../src/migrate/migrate.ts'
import { sourceNames, type SourceName } from '../../src/migrate/source-names.ts'
import { loaded } from './decide.ts'
import { fixtures, read } from './fixtures.ts'

const lines = fixtures.flatMap((fixture) => read(fixture).flatMap(({ text }) => text.split('\n')))
const texts = fixtures.flatMap((fixture) => read(fixture).map(({ text }) => text))

function outcome(source: SourceName, text: string): void {
  try {
    const migration = migrate(source, [{ name: 'x', text }])
    if (migration.report.problems.length === 0) loaded(migration)
  } catch (error) {
    assert.ok(error instanceof MigrationInputError, `${String(error)}\n${text}`)
  }
}

test('damaged files never make it fail in another way', () => {
  const damaged = fc
    .tuple(fc.constantFrom(...texts), fc.nat(), fc.nat(), fc.constantFrom(...lines))
    .map(([text, from, to, line]) => {
      const all = text.split('\n')
      all.splice(from % all.length, to % 4, line)
      return all.join('\n')
    })
  fc.assert(fc.property(fc.constantFrom(...sourceNames), damaged, outcome), { numRuns: 250 })
})

test('text of any kind never makes it fail in another way', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom(...lines, '\n', '\n  ', ': ', '- ', '--', '=', '[', '"', '${', '{{', 'OAUTH2_PROXY_'),
  )
  const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''))
  fc.assert(fc.property(fc.constantFrom(...sourceNames), text, outcome), { numRuns: 250 })
})

for (const [words, unit] of [
  ['lists that never end', '[ "a",\n'],
  ['quotes', `"'`],
  ['references', '${A:-'],
  ['flags', '--a=b '],
  ['tables', '[a.b.c]\n'],
  ['lines', 'a = b\n'],
  ['brackets', '((((|'],
] as const) {
  test(`thousands of ${words} are read in time that grows with them`, () => {
    const text = `skip_auth_regex = "${unit.repeat(8_000)}`
    const start = performance.now()
    for (const source of sourceNames) outcome(source, text)
    // The square of it would take minutes.
    assert.ok(performance.now() - start < 5_000)
  })
}
