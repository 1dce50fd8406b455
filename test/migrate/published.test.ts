// Whole files as people publish them: what each becomes stands beside it, as `NAME.expected` (UPDATE=1 writes them anew, to be read).
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { rootCertificates } from 'node:tls'
import { allOptions } from '../../src/config/schema.ts'
import { loadConfig } from '../../src/load-config.ts'
import { isSettled, reportJson, reportText } from '../../src/migrate/report.ts'
import { operatorsValue } from './decide.ts'
import { directory, fixtures, migrated, read, SECRETS } from './fixtures.ts'

const options = new Set(
  allOptions.flatMap(({ path }) => path.map((_part, index) => path.slice(0, index + 1).join('.'))),
)

test('there are at least 25 published files', () => assert.ok(fixtures.length >= 25, String(fixtures.length)))

test('every secret that is looked for is in one of the files', () => {
  const all = fixtures.flatMap((fixture) => read(fixture).map(({ text }) => text)).join()
  for (const secret of SECRETS) assert.ok(all.includes(secret), secret)
})

for (const fixture of fixtures) {
  const name = `${fixture.source}/${fixture.files[0]}`
  const { config, report } = migrated(fixture)

  test(`${name} becomes what stands beside it`, () => {
    const actual = `${config}\n=== exit ${isSettled(report) ? 0 : 1}\n${reportText(report)}`
    const file = new URL(`${name}.expected`, directory)
    if (process.env['UPDATE'] === '1') writeFileSync(file, actual)
    assert.ok(existsSync(file), 'nothing stands beside it')
    assert.equal(actual, readFileSync(file, 'utf8'))
  })

  test(`${name}: with what the report asks for, the service takes the configuration, or the report says what it lacks`, () => {
    // Not the stand-ins of the migration itself: what an operator would set.
    const env = Object.fromEntries(
      report.set.map(({ name: variable }) => [variable, operatorsValue(variable)] as const),
    )
    const load = () =>
      loadConfig({
        file: 'c.yaml',
        text: config,
        env,
        readFile: (path) => {
          assert.ok(report.files.includes(path), `${path} is read, and the report does not say that it must be there`)
          return path.endsWith('.pem') && !path.includes('key')
            ? (rootCertificates[0] ?? '')
            : randomBytes(24).toString('hex')
        },
      })
    if (report.problems.length === 0) assert.ok(load().config)
    else assert.throws(load)
  })

  test(`${name}: no secret of it is repeated`, () => {
    const said = `${config}${reportText(report)}${reportJson(report)}`
    for (const secret of SECRETS) assert.ok(!said.includes(secret), secret)
  })

  test(`${name}: every line of the report names an option of ours that exists, and a place`, () => {
    for (const { to, place, option, note, outcome } of report.items) {
      if (to !== undefined) assert.ok(options.has(to), to)
      assert.notEqual(place, '', option)
      if (outcome !== 'kept') assert.ok((note ?? '').length > 3, `${option} says nothing`)
    }
  })

  test(`${name}: with --keep-secrets the configuration still holds`, () => {
    const kept = migrated(fixture, { keepSecrets: true })
    assert.equal(kept.report.items.length >= report.items.length, true)
    for (const secret of SECRETS) assert.ok(!reportText(kept.report).includes(secret), secret)
  })
}
