import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guardedSpool } from '../../src/cache/guarded-spool.ts'
import type { Spool, Spooled } from '../../src/cache/spool.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const one: Spooled = { id: 'a', floor: 3, expiresAt: 9_000 }

function aSpool(parts: Partial<Spool>) {
  const time = fakeTime()
  const logger = recordedLog()
  const spool = guardedSpool(
    {
      place: '/spool',
      probe: () => Promise.resolve(),
      load: () => Promise.resolve([one]),
      keep: () => Promise.resolve(),
      release: () => undefined,
      close: () => Promise.resolve(),
      ...parts,
    },
    { ...time, logger },
  )
  /** What it answers, and after how long. */
  async function answer<Value>(asked: Promise<Value>): Promise<[value: Value, tookMs: number]> {
    const askedAt = time.stopwatch()
    let settled: [Value, number] | undefined
    void asked.then((value) => (settled = [value, time.stopwatch() - askedAt]))
    const isOver = () => settled !== undefined
    while (!isOver()) await time.pass(10)
    return settled ?? assert.fail('it was settled')
  }
  const said = () => logger.lines.map(({ level, event, reason }) => `${level} ${event} ${reason}`)
  return { spool, answer, said, time, logger }
}

const never = () => new Promise<never>(() => {})
const fails = () => Promise.reject(new Error('EIO'))

const kinds = { hangs: never, fails } as const
const table: [what: string, kind: keyof typeof kinds, method: 'load' | 'keep' | 'close', tookMs: number][] = [
  ['reading', 'hangs', 'load', 5_000],
  ['reading', 'fails', 'load', 0],
  ['writing', 'hangs', 'keep', 300],
  ['writing', 'fails', 'keep', 0],
  ['closing', 'hangs', 'close', 2_000],
  ['closing', 'fails', 'close', 0],
]
for (const [what, kind, method, tookMs] of table) {
  test(`${what} where the disk ${kind}: nothing is thrown, and nobody waits for longer than ${tookMs} ms`, async () => {
    const { spool, answer, said } = aSpool({ [method]: kinds[kind] })
    const call: Promise<unknown> = method === 'keep' ? spool.keep(one, 300) : spool[method]()
    const [value, took] = await answer(call)
    assert.deepEqual([value, took], [{ load: [], keep: false, close: undefined }[method], tookMs])
    const told = { load: ['error spool_failed not_read'], keep: ['error spool_failed not_written'], close: [] }
    assert.deepEqual(said(), told[method])
  })
}

for (const [code, remedy] of [
  ['EACCES', /make it writable for the user/],
  ['EROFS', /mount a volume there/],
  ['ENOENT', /it is missing and cannot be made/],
  ['ENOSPC', /the disk is full/],
  ['EIO', /a directory on a disk that answers/],
] as const) {
  test(`a directory that cannot be used (${code}) is told before anything is lost, with what would be right`, async () => {
    const refuses = () => Promise.reject(Object.assign(new Error(code), { code }))
    const { spool, answer, logger } = aSpool({ probe: refuses })
    await answer(spool.probe())
    const [line] = logger.lines
    assert.deepEqual([line?.event, line?.reason, line?.['directory']], ['spool_failed', 'not_usable', '/spool'])
    assert.match(line?.message ?? '', remedy)
  })
}

test('a directory that does not answer is told after 5 s', async () => {
  const { spool, answer, said } = aSpool({ probe: never })
  assert.deepEqual(await answer(spool.probe()), [undefined, 5_000])
  assert.deepEqual(said(), ['error spool_failed not_usable'])
})

test('a disk that is well is the disk, and nothing is told', async () => {
  const kept: Spooled[] = []
  const { spool, answer, said, time } = aSpool({ keep: async (withdrawal) => void kept.push(withdrawal) })
  assert.deepEqual((await answer(spool.load()))[0], [one])
  assert.equal((await answer(spool.keep(one, 300)))[0], true)
  await answer(spool.close())
  assert.deepEqual([kept, said(), time.pending], [[one], [], 0])
})
