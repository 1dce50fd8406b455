import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createOutput } from '../../src/telemetry/output.ts'
import { openUnreadPipe } from '../fixtures/unread-pipe.ts'

const folder = mkdtempSync(join(tmpdir(), 'foregate-output-'))
after(() => rmSync(folder, { recursive: true }))

function aFile(name: string) {
  const path = join(folder, name)
  const fd = openSync(path, 'a')
  const ticks: (() => void)[] = []
  const timer = (task: () => void) => {
    ticks.push(task)
    return () => void ticks.splice(ticks.indexOf(task), 1)
  }
  const content = () => readFileSync(path, 'utf8')
  const changed = async (isIt: (text: string) => boolean) => {
    const watcher = watch(path)
    while (!isIt(content())) await once(watcher, 'change')
    watcher.close()
  }
  return { fd, ticks, timer, content, changed, close: () => closeSync(fd) }
}

test('a line waits until the delay has passed', async () => {
  const { fd, ticks, timer, content, changed } = aFile('delay')
  const output = createOutput(fd, timer)
  output.write('one\n')
  output.write('two\n')
  assert.equal(content(), '')
  assert.equal(ticks.length, 1)
  ticks[0]?.()
  await changed((text) => text === 'one\ntwo\n')
})

test('a full block is written at once, and the order of lines is kept', async () => {
  const { fd, timer, changed, content } = aFile('block')
  const output = createOutput(fd, timer, { blockBytes: 100, delayMs: 1, waitingBytes: 1e6 })
  const lines = Array.from({ length: 60 }, (_, index) => `line number ${index}\n`)
  for (const line of lines) output.write(line)
  await changed((text) => text.includes('line number 5\n'))
  output.flush()
  await changed((text) => text.length === lines.join('').length)
  assert.equal(content(), lines.join(''))
})

test('lines past the limit are dropped while nothing can be written, and their number is said', async () => {
  const { fd, timer, changed, content, ticks } = aFile('limit')
  const output = createOutput(fd, timer, { blockBytes: 1_000, delayMs: 1, waitingBytes: 20 })
  for (let index = 0; index < 5; index++) output.write('0123456789012345\n')
  ticks[0]?.()
  await changed((text) => text.length >= 34)
  output.flush()
  await changed((text) => text.includes('dropped'))
  assert.match(content(), /^(0123456789012345\n){2}\{"level":"warn","event":"log_lines_dropped","lines":3\}\n$/)
})

test('a descriptor that cannot be written is given up without an exception', () => {
  const { fd, timer, close } = aFile('closed')
  const output = createOutput(fd, timer)
  close()
  output.write('one\n')
  assert.doesNotThrow(() => output.flush())
})

test('a full disk ends no log: what it did not take is written once there is room', async () => {
  const path = join(folder, 'room')
  const fd = openSync('/dev/full', 'a')
  const retried = Promise.withResolvers<void>()
  let timers = 0
  const output = createOutput(fd, (task) => {
    if (++timers === 1) setImmediate(task)
    else retried.resolve()
    return () => undefined
  })
  output.write('one\n')
  await retried.promise
  output.flush()
  output.write('two\n')
  closeSync(fd)
  // The lowest number that is free: the disk under the same descriptor has room now.
  assert.equal(openSync(path, 'a'), fd)
  output.flush()
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n')
})

/** A thread writes: it says so in a later turn. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Its timers fire when the test says so. */
function fullPipe(t: { after(task: () => void): unknown }, waitingBytes: number) {
  const pipe = openUnreadPipe(t, constants.O_NONBLOCK)
  const ticks: (() => void)[] = []
  const timer = (task: () => void) => {
    ticks.push(task)
    return () => void (ticks.includes(task) && ticks.splice(ticks.indexOf(task), 1))
  }
  const output = createOutput(pipe.fd, timer, { blockBytes: 4_096, delayMs: 1, waitingBytes })
  const handed = Array.from({ length: 20_000 }, (_, index) => `line number ${index}\n`)
  for (const line of handed) output.write(line)
  return {
    output,
    handed,
    /** Resolves once the pipe is full, so that a block waits for its reader. */
    async isFull() {
      while (ticks.length === 0) await nextTurn()
    },
    /** All that comes once the reader is back. */
    async readUntil(isAll: (text: string) => boolean) {
      let text = ''
      while (!isAll(text)) {
        text += pipe.read()
        for (const tick of ticks.splice(0)) tick()
        await nextTurn()
      }
      return text
    },
  }
}

test('while a reader has stopped only so much waits; once it reads again it is told what was dropped', async (t) => {
  const { handed, readUntil } = fullPipe(t, 100_000)
  const text = await readUntil((read) => /"lines":\d+\}\n$/.test(read))
  const kept = text.split('\n').slice(0, -2)
  assert.equal(text, `${handed.slice(0, kept.length).join('')}${text.slice(text.lastIndexOf('{'))}`)
  assert.match(text, new RegExp(`"lines":${handed.length - kept.length}\\}\n$`))
  // What waits, a last line, and the first block.
  assert.ok(kept.join('\n').length < 100_000 + 2 * 4_096, String(kept.length))
})

test('a flush returns though the reader has stopped, and what it could not write is written when it is back', async (t) => {
  const { output, handed, isFull, readUntil } = fullPipe(t, 1e6)
  await isFull()
  output.flush()
  output.write('last\n')
  output.flush()
  assert.equal(await readUntil((read) => read.endsWith('last\n')), `${handed.join('')}last\n`)
})
