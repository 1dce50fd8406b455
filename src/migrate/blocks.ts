// The block of a Traefik plugin in whatever was pasted: a Middleware, a dynamic file as YAML or TOML, labels, the block alone.
import { blocksFromLabels, blocksIn, type Block } from '../config/pasted.ts'
import { isRecord } from '../config/yaml-file.ts'
import { treeOf } from './assignments.ts'
import { MigrationInputError, type Input } from './input.ts'

export interface PluginBlock {
  readonly tree: Record<string, unknown>
  readonly file: string
  readonly lineOf: Block['lineOf']
  readonly isCompose: boolean
}

/** `plugin`: the name under which it is installed, where it is told. Throws MigrationInputError unless there is exactly one. */
export function pluginBlock(
  inputs: readonly Input[],
  program: string,
  isIts: (plugin: string | undefined, tree: Record<string, unknown>) => boolean,
): PluginBlock {
  const all = inputs.flatMap((input) =>
    blocksOf(input).map((block) => ({ block, file: input.file, isCompose: isCompose(input) })),
  )
  const found = all.filter(({ block }) => isIts(block.plugin, block.tree))
  const [first, ...more] = found
  const names = inputs.map(({ file }) => file).join(', ')
  if (first === undefined)
    throw new MigrationInputError(
      `${names}: no block of ${program} is in it: neither under plugin: { NAME: … }, nor in labels, nor at the top`,
    )
  if (more.length > 0) {
    const places = found.map(({ block, file }) => `${file}:${block.line}`).join(', ')
    throw new MigrationInputError(
      `${places}: are ${found.length} blocks of ${program}; each is a configuration of its own: give it a file of its own`,
    )
  }
  return { tree: first.block.tree, file: first.file, lineOf: first.block.lineOf, isCompose: first.isCompose }
}

const isCompose = (input: Input): boolean =>
  input.form === 'yaml' && input.parts.some(({ tree }) => isRecord(tree) && isRecord(tree['services']))

function blocksOf(input: Input): readonly Block[] {
  if (input.form === 'yaml') return blocksIn(input.parts)
  if (input.form === 'command') return []
  const labels = blocksFromLabels(
    input.assignments.map(({ path, value, line }) => ({ name: path.join('.'), value, line })),
  )
  if (labels.length > 0) return labels
  const line = input.assignments[0]?.line ?? 1
  const { assignments } = input
  // The line of the first assignment at or below the path.
  const lineOf: Block['lineOf'] = (path) =>
    assignments.find((one) => path.every((part, index) => String(part) === one.path[index]))?.line ?? line
  return blocksIn([{ tree: treeOf(assignments), line, lineOf }])
}
