// The command: many runs, each with a seed of its own, on real parts. A failing seed can be told again, step by step.
//
//   node test/simulation/simulate.ts --seeds 10000            that many runs, from seed 1 on
//   --from N            the first seed                        --jobs 2            in so many processes
//   --template NAME     every run with this kind of trouble   --stop-after K      ends after so many failing seeds
//   --seed N            one run, told                     --only INVARIANT      nothing else counts
import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { runSeed } from './run.ts'
import { createTally, type Report, type Tally } from './tally.ts'

interface Job {
  readonly from: number
  readonly to: number
  /** Every so many seeds. */
  readonly step: number
  readonly template: string | undefined
  /** Nothing else counts. */
  readonly only: string | undefined
}

const here = fileURLToPath(import.meta.url)

async function work({ from, to, step, template, only }: Job, report: (report: Report) => boolean): Promise<void> {
  for (let seed = from; seed <= to; seed += step) {
    const { violations, counts, events } = await runSeed({ seed, template })
    // What nobody has caught is told between two turns of the real event loop.
    await new Promise((resolve) => setImmediate(resolve))
    const all = [...violations, ...strays.splice(0)]
    const wanted = only === undefined ? all : all.filter(({ what }) => what === only)
    const isWanted = report({ seed, violations: wanted, counts, events })
    if (!isWanted) return
  }
}

const strays: { what: string; words: string; at: number }[] = []
process.on('unhandledRejection', (error: unknown) => {
  strays.push({ what: 'uncaught', words: error instanceof Error ? (error.stack ?? '') : String(error), at: 0 })
})

function inProcesses(job: Job, jobs: number, tally: Tally): Promise<void> {
  const children = Array.from({ length: jobs }, (_, index) => {
    const child = fork(here, ['--worker', JSON.stringify({ ...job, from: job.from + index, step: jobs })])
    const isOver = new Promise<void>((resolve, reject) => {
      child.on('exit', (code, signal) => {
        if (code === 0 || signal === 'SIGTERM') resolve()
        else reject(new Error(`a worker ended with ${code ?? signal}`))
      })
    })
    child.on('message', (report: Report) => {
      if (!tally.add(report)) for (const { child: other } of children) other.kill()
    })
    return { child, isOver }
  })
  return Promise.all(children.map(({ isOver }) => isOver)).then(() => undefined)
}

async function tell(seed: number, template: string | undefined): Promise<boolean> {
  const { lines, violations, hash } = await runSeed({ seed, template, isTold: true })
  console.log(lines.join('\n'))
  for (const { what, words, at } of violations) console.log(`${String(at).padStart(6)} ${what}: ${words}`)
  console.log(`transcript ${hash}`)
  return violations.length === 0
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '1' },
      seed: { type: 'string' },
      template: { type: 'string' },
      only: { type: 'string' },
      'stop-after': { type: 'string', default: 'Infinity' },
      worker: { type: 'string' },
    },
  })
  if (values.worker !== undefined) {
    // What `inProcesses` has passed.
    await work(JSON.parse(values.worker) as Job, (report) => process.send?.(report) ?? false)
    return true
  }
  if (values.seed !== undefined) return tell(Number(values.seed), values.template)
  const from = Number(values.from)
  const job = { from, to: from + Number(values.seeds) - 1, step: 1, template: values.template, only: values.only }
  const tally = createTally({ seeds: Number(values.seeds), stopAfter: Number(values['stop-after']) })
  const jobs = Number(values.jobs)
  if (jobs > 1) await inProcesses(job, jobs, tally)
  else await work(job, tally.add)
  console.log(tally.table())
  return tally.failing === 0
}

process.exitCode = (await main()) ? 0 : 1
// A worker's channel would keep it alive.
if (process.connected) process.disconnect()
