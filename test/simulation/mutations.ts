// The command that tests the simulation: rules are left out of the real code, one after the other (mutation-table.ts), and the
// simulation has to notice each. It exits with 1 where one goes unnoticed.
//
//   node test/simulation/mutations.ts         all of them, and a table (also in build/mutations.md)
//   --seeds 10000     how many schedules may be needed, of the best kind of trouble and then of chance
//   --only WORDS      those with these words in their name or rule          --jobs 2     so many at a time
//   --survey          every kind of trouble is tried for 200 schedules: which one finds it soonest?
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { applyEdits, hunt, misfit, takeCopy, type Find } from './mutant.ts'
import { mutations, type Mutation } from './mutation-table.ts'
import { narrowTemplates } from './narrow-templates.ts'
import { templates } from './templates.ts'

interface Row {
  readonly mutation: Mutation
  readonly found: Find | undefined
}

const kindName = (template: string | undefined) => template ?? 'chance'

function markdown(rows: readonly Row[]): string {
  const lines = rows.map(({ mutation: { name, rule }, found }) => {
    const result =
      found === undefined
        ? '**survives** | | '
        : `${found.invariants.join(', ')} | ${kindName(found.template)} | ${found.runs}`
    return `| ${name} | ${rule} | ${result} |`
  })
  return `${['| what is done wrong | rule | what broke | trouble | schedules needed |', '|---|---|---|---|---:|', ...lines].join('\n')}\n`
}

async function withMutant<Result>(
  sound: string,
  { edits }: Mutation,
  task: (mutant: string) => Promise<Result>,
): Promise<Result> {
  const mutant = await takeCopy(sound)
  try {
    await applyEdits(mutant, edits)
    return await task(mutant)
  } finally {
    await rm(mutant, { recursive: true })
  }
}

async function find(sound: string, mutation: Mutation, seeds: number): Promise<Find | undefined> {
  return withMutant(sound, mutation, async (mutant) => {
    const { template, breaks } = mutation
    const best = await hunt({ mutant, sound }, template, seeds, breaks)
    if (best !== undefined || template === undefined) return best
    return hunt({ mutant, sound }, undefined, seeds, breaks)
  })
}

async function survey(sound: string, mutation: Mutation): Promise<void> {
  console.log(mutation.name)
  await withMutant(sound, mutation, async (mutant) => {
    for (const template of [undefined, ...Object.keys(templates), ...Object.keys(narrowTemplates)]) {
      const found = await hunt({ mutant, sound }, template, 200, mutation.breaks)
      if (found !== undefined) console.log(`  ${kindName(template)}: ${found.runs} (${found.invariants.join(', ')})`)
    }
  })
}

/** In the order of the list, `jobs` at a time. */
async function inOrder<Item>(items: readonly Item[], jobs: number, task: (item: Item, at: number) => Promise<void>) {
  const rest = items.entries()
  const work = async () => {
    for (const [at, item] of rest) await task(item, at)
  }
  await Promise.all(Array.from({ length: jobs }, work))
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '10000' },
      only: { type: 'string', default: '' },
      jobs: { type: 'string', default: '1' },
      survey: { type: 'boolean', default: false },
    },
  })
  const chosen = mutations.filter(({ name, rule }) => `${name} ${rule}`.includes(values.only))
  const sound = await takeCopy()
  try {
    // Before anything takes its time: the table has to fit the code.
    const misfits: string[] = []
    for (const { edits } of mutations) for (const edit of edits) misfits.push(...(await misfit(sound, edit)))
    if (misfits.length > 0) throw new Error(`the table does not fit the code:\n${misfits.join('\n')}`)
    if (values.survey) {
      await inOrder(chosen, Number(values.jobs), (mutation) => survey(sound, mutation))
      return true
    }
    const rows: Row[] = []
    await inOrder(chosen, Number(values.jobs), async (mutation, at) => {
      const found = await find(sound, mutation, Number(values.seeds))
      rows[at] = { mutation, found }
      console.error(`${found === undefined ? 'SURVIVES' : `found in ${found.runs}`}: ${mutation.name}`)
    })
    const table = markdown(rows)
    console.log(table)
    const build = fileURLToPath(new URL('../../build/', import.meta.url))
    await mkdir(build, { recursive: true })
    await writeFile(`${build}mutations.md`, table)
    return rows.every(({ found }) => found !== undefined)
  } finally {
    await rm(sound, { recursive: true })
  }
}

process.exitCode = (await main()) ? 0 : 1
