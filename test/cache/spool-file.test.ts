// The spool on a real disk: lives of several processes in one directory, and what others leave or put there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { appendFileSync, copyFileSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createSpoolFile, type SpoolFileParts } from '../../src/cache/spool-file.ts'
import type { Spooled } from '../../src/cache/spool.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { key, newKey, scope } from '../peers/fixture.ts'

const maxAgeMs = 3_600_000

/** A directory, and lives of processes in it. Their clock is the one that dates the files, and what a test adds. */
function aDirectory(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'foregate-spool-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  const directory = join(parent, 'spool')
  const time = { ahead: 0 }
  const clock = () => Date.now() + time.ahead

  function life(origin: string, parts: Partial<SpoolFileParts> = {}) {
    const logger = recordedLog()
    const { events, lines } = logger
    const runtime = { clock, logger }
    const spool = createSpoolFile({ directory, keys: [key], scope, origin, maxAgeMs, runtime, ...parts })
    t.after(() => spool.close())
    return {
      ...spool,
      events,
      lines,
      keepAll: (...all: Spooled[]) => Promise.all(all.map((one) => spool.keep(one))),
      /** Sorted: the order says nothing. */
      ids: async () => (await spool.load()).map(({ id }) => id).sort(),
    }
  }

  return {
    parent,
    directory,
    time,
    life,
    names: () => (existsSync(directory) ? readdirSync(directory).sort() : []),
    path: (name: string) => join(directory, name),
    spooled: (id: string, floor = everyGeneration, inMs = maxAgeMs): Spooled => ({
      id,
      floor,
      expiresAt: clock() + inMs,
    }),
    /** The file of a life that has written one. */
    fileOf(origin: string): string {
      const name = readdirSync(directory).find((found) => found.endsWith(`-${origin}.jsonl`))
      assert.ok(name, `${origin} has no file`)
      return join(directory, name)
    },
  }
}

const linesIn = (path: string) => readFileSync(path, 'latin1').trimEnd().split('\n').length
const some = (count: number) => Array.from({ length: count }, (_, number) => `session-${number}`)

// --- one life after the other --------------------------------------------------------------------------------------------

test('what was kept is there for the next life, as it was', async (t) => {
  const { life, spooled } = aDirectory(t)
  const ended = spooled('ended')
  const rotated = spooled('rotated', 7)
  const first = life('one')
  await first.keep(ended)
  await first.keep(rotated)
  // The first was not closed: it might have been killed.
  const next = life('two')
  const byId = (a: Spooled, b: Spooled) => a.id.localeCompare(b.id)
  assert.deepEqual([...(await next.load())].sort(byId), [ended, rotated])
  assert.deepEqual(next.events(), [])
})

test('what a process has kept outlives its kill', async (t) => {
  const { directory, life, spooled } = aDirectory(t)
  const module = new URL('../../src/cache/spool-file.ts', import.meta.url).href
  const log = '() => {}'
  const program = `
    import { createSpoolFile } from ${JSON.stringify(module)}
    const logger = { debug: ${log}, info: ${log}, warn: ${log}, error: ${log} }
    const parts = ${JSON.stringify({ directory, scope, origin: 'killed', maxAgeMs })}
    const keys = [Buffer.from(${JSON.stringify(key.toString('latin1'))})]
    const spool = createSpoolFile({ ...parts, keys, runtime: { clock: Date.now, logger } })
    await Promise.all(${JSON.stringify([spooled('x'), spooled('y')])}.map((one) => spool.keep(one)))
    process.stdout.write('kept')
    setInterval(() => {}, 60_000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const [said] = (await Promise.race([once(child.stdout, 'data'), exited])) as unknown[]
  assert.equal(String(said), 'kept')
  child.kill('SIGKILL')
  await exited
  assert.deepEqual(await life('two').ids(), ['x', 'y'])
})

test('a life does not load its own', async (t) => {
  const { life, spooled } = aDirectory(t)
  const one = life('one')
  await one.keep(spooled('x'))
  assert.deepEqual(await one.load(), [])
})

test('many that are kept at once are all there', async (t) => {
  const { life, spooled } = aDirectory(t)
  const ids = some(300)
  await life('one').keepAll(...ids.map((id) => spooled(id)))
  assert.deepEqual(await life('two').ids(), ids.sort())
})

test('of a session the highest floor counts, in whatever order they came; a lower one is not written', async (t) => {
  const { life, spooled, fileOf } = aDirectory(t)
  const one = life('one')
  await one.keepAll(spooled('x', 3), spooled('x', 5), spooled('x', 4))
  const before = linesIn(fileOf('one'))
  await one.keep(spooled('x', 5))
  await one.keep(spooled('x', 2))
  assert.equal(linesIn(fileOf('one')), before)
  assert.deepEqual(
    (await life('two').load()).map(({ id, floor }) => ({ id, floor })),
    [{ id: 'x', floor: 5 }],
  )
})

test('a life that has released everything leaves nothing, and can begin again', async (t) => {
  const { life, spooled, names } = aDirectory(t)
  const one = life('one')
  await one.keepAll(spooled('x'), spooled('y'))
  one.release('x')
  one.release('y')
  await one.keep(spooled('z'))
  one.release('never kept')
  assert.ok((await life('two').ids()).includes('z'))
  one.release('z')
  await one.close()
  assert.deepEqual(names(), [])
})

test('what is released while it is being written does not stay', async (t) => {
  const { life, spooled, names } = aDirectory(t)
  const one = life('one')
  const kept = one.keep(spooled('x'))
  one.release('x')
  await kept
  await one.close()
  assert.deepEqual(names(), [])
})

test('a file with much that was released is written anew, and lacks nothing', async (t) => {
  const { life, spooled, names, fileOf } = aDirectory(t)
  const one = life('one')
  const ids = some(1_200)
  await one.keepAll(...ids.map((id) => spooled(id)))
  for (const id of ids.slice(0, 1_150)) one.release(id)
  await one.keep(spooled('later'))
  await one.close()
  assert.equal(names().length, 1)
  assert.ok(linesIn(fileOf('one')) <= 52)
  assert.deepEqual(await life('two').ids(), [...ids.slice(1_150), 'later'].sort())
})

test('the file is its owner’s only, and so is a directory that was missing', async (t) => {
  const { directory, life, spooled, fileOf } = aDirectory(t)
  await life('one').keep(spooled('x'))
  assert.equal(statSync(fileOf('one')).mode & 0o777, 0o600)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
})

test('a closed spool takes nothing', async (t) => {
  const { life, spooled } = aDirectory(t)
  const one = life('one')
  await one.close()
  await assert.rejects(one.keep(spooled('x')), /closed/)
})

// --- what cannot be read or written --------------------------------------------------------------------------------------

test('damaged lines are skipped, told once, and kept for whoever may look', async (t) => {
  const { life, spooled, fileOf, names } = aDirectory(t)
  await life('one').keepAll(spooled('x'), spooled('y'), spooled('z'))
  await life('other').keep(spooled('w'))
  const [, torn = '', last = ''] = readFileSync(fileOf('one'), 'latin1').split('\n')
  writeFileSync(fileOf('one'), readFileSync(fileOf('one'), 'latin1').replace(torn, torn.slice(0, 40)))
  appendFileSync(fileOf('one'), `\0\0\0\n${'A'.repeat(100_000)}\n${last.slice(0, 10)}`)
  appendFileSync(fileOf('other'), last.replace('4294967295', '4294967294'))
  const two = life('two')
  assert.deepEqual(await two.ids(), ['w', 'x', 'z'])
  assert.deepEqual(two.events(), ['spool_damaged unreadable'])
  assert.equal(two.lines[0]?.['lines'], 5)
  for (const id of ['w', 'x', 'z']) two.release(id)
  await two.close()
  assert.equal(names().length, 2)
})

test('a life whose file ends in half a line loses nothing that it keeps then', async (t) => {
  const { life, spooled, fileOf } = aDirectory(t)
  const before = life('one')
  await before.keep(spooled('x'))
  await before.close()
  appendFileSync(fileOf('one'), '{"id":"half')
  await life('one').keep(spooled('y'))
  assert.deepEqual(await life('two').ids(), ['x', 'y'])
})

test('a missing directory is empty', async (t) => {
  const { life } = aDirectory(t)
  const one = life('one')
  assert.deepEqual(await one.load(), [])
  assert.deepEqual(one.events(), [])
})

test('where nothing can be written keep rejects, reading is told, and both work once they can', async (t) => {
  const { parent, life, spooled } = aDirectory(t)
  const obstacle = join(parent, 'obstacle')
  const directory = join(obstacle, 'spool')
  writeFileSync(obstacle, '')
  const one = life('one', { directory })
  assert.deepEqual(await one.load(), [])
  assert.deepEqual(one.events(), ['spool_failed not_read'])
  const kept = await Promise.allSettled([one.keep(spooled('x')), one.keep(spooled('y'))])
  assert.deepEqual(
    kept.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  one.release('x')
  unlinkSync(obstacle)
  await one.keep(spooled('z'))
  assert.deepEqual(await life('two', { directory }).ids(), ['z'])
})

test('a link in place of the file is not followed, by neither writer nor reader', async (t) => {
  const { parent, life, spooled, fileOf } = aDirectory(t)
  const one = life('one')
  await one.keep(spooled('x'))
  const elsewhere = join(parent, 'elsewhere')
  copyFileSync(fileOf('one'), elsewhere)
  const target = fileOf('one').replace('one.jsonl', 'linked.jsonl')
  symlinkSync(elsewhere, target)
  await assert.rejects(life('linked').keep(spooled('y')), { code: 'ELOOP' })
  assert.equal(linesIn(elsewhere), 1)
  one.release('x')
  await one.close()
  const two = life('two')
  assert.deepEqual(await two.load(), [])
  assert.deepEqual(two.events(), ['spool_damaged unreadable'])
})

test('a file that was taken away is written again with all that is held', async (t) => {
  const { life, spooled, fileOf } = aDirectory(t)
  const one = life('one')
  await one.keep(spooled('x'))
  unlinkSync(fileOf('one'))
  await one.keep(spooled('y'))
  assert.deepEqual(await life('two').ids(), ['x', 'y'])
})

// --- whose it is ---------------------------------------------------------------------------------------------------------

test('another deployment’s file is not touched, and put in the place of ours it ends nobody’s session', async (t) => {
  const { life, spooled, fileOf, names, time } = aDirectory(t)
  await life('one', { scope: 'another' }).keep(spooled('x'))
  const foreign = names()
  time.ahead = maxAgeMs + 1_000
  const two = life('two')
  assert.deepEqual(await two.load(), [])
  assert.deepEqual([two.events(), names()], [[], foreign])
  time.ahead = 0
  await two.keep(spooled('y'))
  copyFileSync(fileOf('one'), fileOf('two').replace('two.jsonl', 'forged.jsonl'))
  const three = life('three')
  assert.deepEqual(await three.ids(), ['y'])
  assert.deepEqual(three.events(), ['spool_damaged unreadable'])
})

test('what another key has signed ends nobody’s session, and stays for whoever has that key', async (t) => {
  const { life, spooled, names } = aDirectory(t)
  await life('one', { keys: [newKey] }).keep(spooled('x'))
  const two = life('two')
  assert.deepEqual(await two.load(), [])
  assert.deepEqual(two.events(), ['spool_damaged unreadable'])
  two.release('x')
  await two.close()
  assert.equal(names().length, 1)
  assert.deepEqual(await life('three', { keys: [newKey] }).ids(), ['x'])
})

test('a key that was rotated out is still read while it is named', async (t) => {
  const { life, spooled } = aDirectory(t)
  await life('one').keep(spooled('x'))
  assert.deepEqual(await life('two', { keys: [newKey, key] }).ids(), ['x'])
})

test('what has expired is ignored, and its file goes once nobody writes to it', async (t) => {
  const { life, spooled, names, time } = aDirectory(t)
  await life('one').keepAll(spooled('short', 1, 10_000), spooled('long', 1, 120_000))
  time.ahead = 30_000
  assert.deepEqual(await life('two').ids(), ['long'])
  time.ahead = 150_000
  const three = life('three')
  assert.deepEqual([await three.load(), three.events(), names()], [[], [], []])
})

test('an expired file that was written to just now stays', async (t) => {
  const { life, spooled, names } = aDirectory(t)
  await life('one').keep(spooled('x', 1, -1))
  assert.deepEqual(await life('two').load(), [])
  assert.equal(names().length, 1)
})

test('unreadable files and halves go when no session is as old as they are', async (t) => {
  const { life, spooled, fileOf, names } = aDirectory(t)
  const one = life('one', { keys: [newKey] })
  await one.keep(spooled('x'))
  const half = `${fileOf('one').replace('one', 'half')}.new`
  writeFileSync(half, 'half')
  await life('two').load()
  assert.equal(names().length, 2)
  const longAgo = (Date.now() - maxAgeMs - 10_000) / 1_000
  for (const path of [half, fileOf('one')]) utimesSync(path, longAgo, longAgo)
  await life('three').load()
  assert.deepEqual(names(), [])
})

// --- several at once -----------------------------------------------------------------------------------------------------

test('a file of another life goes when all of it is released, not before; what is none of ours stays', async (t) => {
  const { life, spooled, names, path } = aDirectory(t)
  await life('one').keepAll(spooled('x'), spooled('y'))
  writeFileSync(path('notes.txt'), '')
  const two = life('two')
  await two.load()
  two.release('x')
  two.release('x')
  await two.close()
  const three = life('three')
  assert.deepEqual(await three.ids(), ['x', 'y'])
  three.release('y')
  three.release('x')
  await three.close()
  assert.deepEqual(names(), ['notes.txt'])
  assert.deepEqual([...two.events(), ...three.events()], [])
})

test('a life that tidies does not delete what the other has written since', async (t) => {
  const { life, spooled } = aDirectory(t)
  const one = life('one')
  const two = life('two')
  await one.keep(spooled('x'))
  assert.deepEqual(await two.ids(), ['x'])
  await one.keep(spooled('y'))
  two.release('x')
  await two.close()
  assert.deepEqual(await life('three').ids(), ['x', 'y'])
})

test('a floor that was raised since keeps the file', async (t) => {
  const { life, spooled } = aDirectory(t)
  const one = life('one')
  const two = life('two')
  await one.keep(spooled('x', 3))
  await two.load()
  await one.keep(spooled('x', 4))
  two.release('x')
  await two.close()
  assert.deepEqual(
    (await life('three').load()).map(({ floor }) => floor),
    [4],
  )
})

test('a life whose file another one has tidied away goes on with a new one', async (t) => {
  const { life, spooled, names } = aDirectory(t)
  const one = life('one')
  const two = life('two')
  await one.keep(spooled('x'))
  await two.load()
  two.release('x')
  await two.close()
  assert.deepEqual(names(), [])
  await one.keep(spooled('y'))
  assert.ok((await life('three').ids()).includes('y'))
  one.release('x')
  one.release('y')
  await one.close()
  assert.deepEqual(names(), [])
})

test('two lives that tidy the same file at once both come to an end, with nothing left', async (t) => {
  const { life, spooled, names } = aDirectory(t)
  const ids = some(50)
  await life('one').keepAll(...ids.map((id) => spooled(id)))
  const others = [life('two'), life('three'), life('four')]
  await Promise.all(others.map(({ load }) => load()))
  for (const id of ids) for (const { release } of others) release(id)
  await Promise.all(others.map(({ close }) => close()))
  assert.deepEqual(names(), [])
  assert.deepEqual(
    others.flatMap(({ events }) => events()),
    [],
  )
})

test('what a file of another life has is not written again, unless that is gone or has less', async (t) => {
  const { life, spooled, fileOf, names } = aDirectory(t)
  const one = life('one')
  await one.keepAll(spooled('x', 3), spooled('y', 3))
  const two = life('two')
  await two.load()
  await two.keep(spooled('x', 3))
  assert.equal(names().length, 1)
  await two.keep(spooled('x', 4))
  assert.equal(linesIn(fileOf('two')), 1)
  unlinkSync(fileOf('one'))
  await two.keep(spooled('y', 3))
  assert.deepEqual(await life('three').ids(), ['x', 'y'])
})

test('lives that write and tidy at once lose nothing', async (t) => {
  const { life, spooled } = aDirectory(t)
  const one = life('one')
  const ids = some(60)
  const released = new Set<string>()
  for (const id of ids) {
    const other = life(`tidy-${id}`)
    const [before] = await Promise.all([other.load(), one.keep(spooled(id))])
    for (const { id: known } of before) {
      released.add(known)
      other.release(known)
    }
    await Promise.all([one.keep(spooled(`${id}-again`)), other.close()])
  }
  const found = new Set(await life('last').ids())
  const all = ids.flatMap((id) => [id, `${id}-again`])
  assert.deepEqual(
    all.filter((id) => !found.has(id) && !released.has(id)),
    [],
  )
  assert.ok(released.size > 0 && found.has(`${ids.at(-1)}-again`))
})

test('a probe makes the directory, leaves nothing in it, and says why it cannot', async (t) => {
  const { life, directory, parent, names } = aDirectory(t)
  await Promise.all([life('one').probe(), life('two').probe()])
  assert.ok(existsSync(directory))
  assert.deepEqual(names(), [])
  const file = join(parent, 'file')
  writeFileSync(file, '')
  await assert.rejects(life('three', { directory: join(file, 'spool') }).probe(), { code: 'ENOTDIR' })
})

test('where no directory can be made, that is said at once', { skip: process.platform !== 'linux' }, async (t) => {
  await assert.rejects(aDirectory(t).life('one', { directory: '/proc/nope/spool' }).probe(), { code: 'ENOENT' })
})
