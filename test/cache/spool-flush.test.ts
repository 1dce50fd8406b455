// When the spool says that it has something, and what it asks of the disk for that.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test, type TestContext } from 'node:test'
import { createSpoolFile } from '../../src/cache/spool-file.ts'
import type { Spooled } from '../../src/cache/spool.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { key, scope } from '../peers/fixture.ts'

const spooled = (id: string): Spooled => ({ id, floor: 2, expiresAt: Date.now() + 3_600_000 })

interface Handle {
  datasync(): Promise<void>
  sync(): Promise<void>
  appendFile(text: string): Promise<void>
}

/** A spool in a new directory, and what is asked of the disk, in order; a test may let one of these fail. */
async function aSpool(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'foregate-flush-'))
  const logger = recordedLog()
  const { events } = logger
  const runtime = { clock: Date.now, logger }
  const life = (origin: string) =>
    createSpoolFile({ directory, keys: [key], scope, origin, maxAgeMs: 3_600_000, runtime })
  const spool = life('one')
  const asked: string[] = []
  let failNext: keyof Handle | undefined
  writeFileSync(join(directory, 'any'), '')
  const handle = await open(join(directory, 'any'))
  // Handles have no class that is public; all of them share this.
  const prototype = Object.getPrototypeOf(handle) as Handle
  await handle.close()
  for (const name of ['datasync', 'sync', 'appendFile'] as const) {
    const original: (...all: string[]) => Promise<void> = prototype[name]
    mock.method(prototype, name, function (this: Handle, ...all: string[]) {
      if (failNext === name) {
        failNext = undefined
        asked.push(`${name} fails`)
        return Promise.reject(new Error('a disk fault'))
      }
      asked.push(name)
      return original.apply(this, all)
    })
  }
  t.after(async () => {
    mock.restoreAll()
    await spool.close()
    rmSync(directory, { recursive: true })
  })
  const idsFoundBy = async (origin: string) => (await life(origin).load()).map(({ id }) => id).sort()
  return { spool, asked, events, idsFoundBy, letFail: (name: keyof Handle) => (failNext = name) }
}

test('the first that is kept is flushed with the name of its file, the next one by itself', async (t) => {
  const { spool, asked } = await aSpool(t)
  await spool.keep(spooled('x'))
  assert.deepEqual(asked.splice(0), ['appendFile', 'datasync', 'sync'])
  await spool.keep(spooled('y'))
  assert.deepEqual(asked, ['appendFile', 'datasync'])
})

test('those who come at the same moment share one flush; those who come while it runs, the next', async (t) => {
  const { spool, asked } = await aSpool(t)
  const first = Array.from({ length: 100 }, (_, number) => spool.keep(spooled(`a-${number}`)))
  const then = first[0]?.then(() => Promise.all(Array.from({ length: 100 }, (_, n) => spool.keep(spooled(`b-${n}`)))))
  await Promise.all([...first, then])
  assert.deepEqual(asked, ['appendFile', 'datasync', 'sync', 'appendFile', 'datasync'])
})

for (const fault of ['appendFile', 'datasync', 'sync'] as const) {
  test(`what a disk has not taken is not said to be kept, and the next attempt writes everything: ${fault}`, async (t) => {
    const { spool, asked, idsFoundBy, letFail } = await aSpool(t)
    if (fault !== 'sync') await spool.keep(spooled('before'))
    letFail(fault)
    const kept = await Promise.allSettled([spool.keep(spooled('x')), spool.keep(spooled('y'))])
    assert.deepEqual(
      kept.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.ok(asked.includes(`${fault} fails`))
    await spool.keep(spooled('z'))
    const found = await idsFoundBy('two')
    assert.ok(found.includes('z'))
    assert.equal(found.includes('before'), fault !== 'sync')
  })
}

test('after a fault of the disk what was kept before is written again', async (t) => {
  const { spool, asked, letFail } = await aSpool(t)
  await spool.keep(spooled('before'))
  letFail('datasync')
  await assert.rejects(spool.keep(spooled('x')), /disk fault/)
  asked.length = 0
  await spool.keep(spooled('z'))
  // A line break first: the file may end in half a line.
  assert.deepEqual(asked, ['appendFile', 'appendFile', 'datasync', 'sync'])
})
