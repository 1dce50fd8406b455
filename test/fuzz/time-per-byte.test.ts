// No byte of a stranger costs more than another: whatever reads it takes a time that grows with its length, and not with the square
// of it. One slow reader is enough to hold up everybody's requests, and to make Redis look slow (A1, B10).
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { AppError } from '../../src/errors.ts'
import { growthOf, highestRatio, step, type Growth } from './growth.ts'
import { readers } from './readers.ts'
import type { Reader } from './readers/parts.ts'
import { anyRecipe, cook, knownRecipes, spelled, type Recipe } from './recipes.ts'

const inventedRecipes = 8

/** Refused is as good as read, as long as it is refused in our words. */
const tried = (run: Reader['run'], text: string) => (): void => {
  try {
    run(text)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
  }
}

const growth = ({ run, as = (text) => text, largest }: Omit<Reader, 'name'>, recipe: Recipe): Growth =>
  growthOf((size) => tried(run, as(cook(recipe, size)).slice(0, size)), largest)

function assertLinear(reader: Omit<Reader, 'name'>, recipe: Recipe): void {
  const { ratio, smallMs, largeMs } = growth(reader, recipe)
  assert.ok(
    ratio <= highestRatio,
    `${step} times the length takes ${ratio.toFixed(1)} times as long (${smallMs.toFixed(3)} -> ${largeMs.toFixed(3)} ms ` +
      `for ${reader.largest} characters of ${spelled(recipe)})`,
  )
}

function assertLinearForAll(reader: Omit<Reader, 'name'>): void {
  for (const recipe of knownRecipes(reader)) assertLinear(reader, recipe)
  fc.assert(
    fc.property(anyRecipe(reader), (recipe) => assertLinear(reader, recipe)),
    { numRuns: inventedRecipes, endOnFailure: true },
  )
}

suite('a stranger pays by the byte (A1, B10)', () => {
  for (const reader of readers) {
    test(`${reader.name}: the time grows with the length`, () => assertLinearForAll(reader))
  }
})

suite('the measurement itself', () => {
  const planted: readonly (readonly [name: string, reader: Omit<Reader, 'name'>])[] = [
    ['a regular expression that begins anew at each space', { largest: 8_192, run: (text) => /\s+$/.test(text) }],
    [
      'a loop that looks for the end from each beginning',
      {
        largest: 32_768,
        words: ['flow'],
        run: (text) => {
          let sum = 0
          for (let at = text.indexOf('flow'); at >= 0; at = text.indexOf('flow', at + 1))
            sum += text.indexOf('\u0002', at)
          return sum
        },
      },
    ],
    [
      'a list that is searched for each of its items',
      { largest: 16_384, run: (text) => text.split(',').map((item, _, all) => all.indexOf(`${item} `)) },
    ],
  ]
  for (const [name, reader] of planted) {
    test(`${name} is found out`, () =>
      assert.throws(() => assertLinearForAll(reader), /times the length takes|timed out/))
  }
  test('a regular expression that doubles its work with each character is stopped and found out', () =>
    assert.throws(() => assertLinearForAll({ largest: 4_096, run: (text) => /^(?:\w+\s?)*$/.test(text) }), /timed out/))
  test('what reads its input a few times over is not', () =>
    assertLinearForAll({
      largest: 32_768,
      run: (text) => text.toUpperCase().split(';').map(encodeURIComponent.bind(null, 'a')),
    }))
  test('what its reader cannot bear is no refusal', () =>
    assert.throws(
      () =>
        assertLinearForAll({
          largest: 64,
          run: () => {
            throw new RangeError('a mistake of ours')
          },
        }),
      /a mistake of ours/,
    ))
})
