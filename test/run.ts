// `npm test`: every stage, or those named as arguments, each by node's own runner; then the times, what was skipped and why,
// and as the last line `N passed, N failed, N skipped` over all of them. Fails, too, when a stage has no tests.
import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

type Stage = 'unit' | 'integration' | 'journeys'
interface Result {
  readonly stage: Stage
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly reasons: readonly string[]
  readonly seconds: number
}

const stages: readonly Stage[] = ['unit', 'integration', 'journeys']
/** A file whose process does not end would hold the others for ever; the runner then names those that still ran. */
const longestStageMs = 25 * 60_000
const root = fileURLToPath(new URL('..', import.meta.url))

const isStage = (name: string): name is Stage => stages.some((stage) => stage === name)

function filesOf(stage: Stage): string[] {
  const elsewhere = ['test/integration/**', 'test/journeys/**', 'test/fixtures/**']
  return stage === 'unit'
    ? globSync('test/**/*.test.ts', { cwd: root, exclude: elsewhere })
    : globSync(`test/${stage}/**/*.test.ts`, { cwd: root })
}

async function run(stage: Stage): Promise<Result> {
  const files = filesOf(stage).toSorted()
  const startedAt = performance.now()
  const secondsSince = () => (performance.now() - startedAt) / 1_000
  if (files.length === 0)
    return { stage, passed: 0, failed: 1, skipped: 0, reasons: [`${stage}: no test files`], seconds: 0 }
  console.log(`\n== ${stage}: ${files.length} files`)
  const directory = await mkdtemp(join(tmpdir(), 'foregate-test-'))
  try {
    const tap = join(directory, 'results.tap')
    const code = await exitCodeOf([
      '--test',
      '--test-concurrency=2',
      '--test-timeout=180000',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=tap',
      `--test-reporter-destination=${tap}`,
      ...files,
    ])
    return { stage, seconds: secondsSince(), ...countedIn(readFileSync(tap, 'utf8'), code) }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function countedIn(tap: string, exitCode: number) {
  const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0)
  const passed = count('pass')
  const failed = count('fail') + count('cancelled')
  // The runner's own figure leaves out suites that are skipped as a whole.
  const reasons = [...tap.matchAll(/^ *ok .*# SKIP ?(.*)$/gm)].map((match) => match[1] ?? '')
  const skipped = reasons.length + count('todo')
  // A runner that ended badly without naming a test, and one that ran nothing, must not pass for green.
  const unaccounted = failed === 0 && (exitCode !== 0 || passed + skipped === 0) ? 1 : 0
  return { passed, failed: failed + unaccounted, skipped, reasons }
}

function exitCodeOf(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    // Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit', timeout: longestStageMs })
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

const named = process.argv.slice(2)
const unknown = named.filter((name) => !isStage(name))
if (unknown.length > 0) {
  console.error(`unknown stage: ${unknown.join(', ')}; there are ${stages.join(', ')}`)
  process.exit(2)
}

const results: Result[] = []
for (const stage of named.length > 0 ? named.filter(isStage) : stages) results.push(await run(stage))

console.log()
for (const { stage, passed, failed, skipped, seconds } of results) {
  console.log(`${stage}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds.toFixed(1)} s`)
}
const reasons = new Set(results.flatMap((result) => result.reasons))
for (const reason of reasons) console.log(`skipped: ${reason}`)

const total = (of: 'passed' | 'failed' | 'skipped') => results.reduce((sum, result) => sum + result[of], 0)
console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`)
process.exitCode = total('failed') > 0 || total('passed') === 0 ? 1 : 0
