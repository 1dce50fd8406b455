import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createOutput } from '../../src/telemetry/output.ts'

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
