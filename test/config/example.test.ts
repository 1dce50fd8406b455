// config.example.yaml is the reference: nothing may be missing from it, and nothing in it may be wrong.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { parse } from 'yaml'
import { valueAt } from '../../src/config/environment.ts'
import { allOptions, settingsSchema } from '../../src/config/schema.ts'
import { schemaProblems } from '../../src/config/schema-problems.ts'
import { load, REQUIRED } from './load-fixture.ts'

const text = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8')

/** Deletes the # of `#name: value` and of the group's lines below it; prose (`# …`) stays. */
function uncommented(example: string): string {
  let isInGroup = false
  return example
    .split('\n')
    .map((line) => {
      isInGroup = /^#[A-Za-z]/.test(line) || (isInGroup && line.startsWith('#  '))
      return isInGroup ? line.slice(1) : line
    })
    .join('\n')
}

const whole: unknown = parse(uncommented(text).replace('${PROVIDER_URL}', REQUIRED.PROVIDER_URL))

test('the example is a valid configuration once its variables are set', () => {
  const { config, warnings } = load({ text })
  assert.equal(config.provider.providerURL, REQUIRED.PROVIDER_URL)
  assert.deepEqual(warnings, [])
})

test('the example gives the same configuration as no file at all: what it states are the defaults', () => {
  const { password: _, ...fromExample } = load({ text }).config.redis
  const { password: __, ...fromNothing } = load({}).config.redis
  assert.deepEqual(fromExample, fromNothing)
  assert.deepEqual(load({ text }).config.session, load({}).config.session)
})

for (const { path, info } of allOptions) {
  test(`the example documents ${path.join('.')}`, () => {
    const stated = valueAt(whole, path)
    assert.notEqual(stated, undefined, 'not in config.example.yaml')
    if ('default' in info) assert.deepEqual(stated, info.default)
  })
}

test('every key of the example is known, and every example value is valid', () => {
  const result = settingsSchema.safeParse(whole)
  assert.deepEqual(result.success ? [] : schemaProblems(result.error.issues), [])
})
