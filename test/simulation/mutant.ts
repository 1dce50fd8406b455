// The real code with something changed: a copy of it, in a place of its own, on which the simulation runs.
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Edit } from './mutation-table.ts'

export interface Find {
  readonly template: string | undefined
  readonly seed: number
  /** How many schedules it took. */
  readonly runs: number
  /** What broke. */
  readonly invariants: readonly string[]
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where it is, for the caller to remove. What is edited meanwhile changes nothing there. */
export async function takeCopy(of = root): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'foregate-mutant-'))
  await mkdir(join(copy, 'test'))
  await cp(join(of, 'src'), join(copy, 'src'), { recursive: true })
  await cp(join(of, 'test/simulation'), join(copy, 'test/simulation'), { recursive: true })
  await cp(join(of, 'package.json'), join(copy, 'package.json'))
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** What keeps the edit from being made, in words; nothing where the code is what it expects. */
export async function misfit(copy: string, { file, find }: Edit): Promise<string[]> {
  const count = (await readFile(join(copy, 'src', file), 'utf8')).split(find).length - 1
  return count === 1 ? [] : [`src/${file} has this ${count} times, not once: ${find}`]
}

export async function applyEdits(copy: string, edits: readonly Edit[]): Promise<void> {
  for (const { file, find, replace } of edits) {
    const path = join(copy, 'src', file)
    const before = await readFile(path, 'utf8')
    const after = before.replace(find, () => replace)
    await writeFile(path, after)
  }
}

/**
 * The first of `seeds` schedules in which the mutant breaks something and the sound code nothing. Throws where the mutant does
 * not even run.
 */
export async function hunt(
  { mutant, sound }: { mutant: string; sound: string },
  template: string | undefined,
  seeds: number,
  breaks?: string,
): Promise<Find | undefined> {
  for (let from = 1; from <= seeds;) {
    const { runs, invariants } = await simulate(mutant, template, from, seeds - from + 1, breaks)
    if (invariants.length === 0) return undefined
    const seed = from + runs - 1
    const { invariants: anyway } = await simulate(sound, template, seed, 1)
    if (anyway.length === 0) return { template, seed, runs: seed, invariants }
    from = seed + 1
  }
  return undefined
}

/** Up to the first schedule in which something breaks. */
async function simulate(
  copy: string,
  template: string | undefined,
  from: number,
  seeds: number,
  breaks?: string,
): Promise<{ runs: number; invariants: readonly string[] }> {
  const given = ['--from', String(from), '--seeds', String(seeds), '--stop-after', '1']
  if (template !== undefined) given.push('--template', template)
  if (breaks !== undefined) given.push('--only', breaks)
  const words = await new Promise<string>((resolve) => {
    execFile(process.execPath, [join(copy, 'test/simulation/simulate.ts'), ...given], (_error, out, err) =>
      resolve(out + err),
    )
  })
  const [, runs] = [...words.matchAll(/^(\d+) runs, \d+ failing, [\d.]+ a second$/gm)].at(-1) ?? []
  if (runs === undefined) throw new Error(`it does not run: ${words.slice(0, 2_000)}`)
  const invariants = Array.from(words.matchAll(/^ {2}([\w-]+): \d+ runs, seeds/gm), ([, name]) => String(name))
  if (invariants.includes('uncaught')) throw new Error(`it does not do what it did: ${words.slice(0, 2_000)}`)
  return { runs: Number(runs), invariants }
}
