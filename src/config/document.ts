// The file as the options that it holds, each under its own name and with its line: the YAML is read, the block of options found
// in what was pasted, names put into their spelling, `${VAR}` replaced. What the data means is schema.ts's business.
import { assignmentProblems, assignmentsIn } from './assignments.ts'
import { foreignBlock } from './foreign-block.ts'
import { foreignMentions } from './foreign-mentions.ts'
import { interpolate } from './interpolate.ts'
import type { Environment } from './interpolate.ts'
import { blocksFromLabels, blocksIn, hasOptions } from './pasted.ts'
import type { Block } from './pasted.ts'
import type { Path } from './problems.ts'
import { spelled } from './spelling.ts'
import { isRecord, readYaml } from './yaml-file.ts'
import type { YamlPart, YamlProblem } from './yaml-file.ts'

export interface Document {
  /** Plain data under the options' own names; keys without a value are left out (they count as absent). */
  readonly tree: Record<string, unknown>
  /** Line of the deepest part of `path` that the file has; the block's first line when it has none of it. */
  lineOf(path: Path): number
  readonly problems: readonly DocumentProblem[]
  /** What was done with the file that its author may want to know. */
  readonly notes: readonly { readonly line: number; readonly message: string }[]
  /** False: the rest of what could be said of the file would be guesses. */
  readonly isReadable: boolean
  /** It was pasted out of the Traefik plugin's place, so its words may have been meant as the plugin means them. */
  readonly isPluginBlock: boolean
}

export interface DocumentProblem extends YamlProblem {
  /** The option that was meant: wrong already, so not missing as well. */
  readonly meant?: Path
}

export interface DocumentContext {
  readonly env: Environment
  /** Of a secret: the variable that names its file, where the option is left out. */
  readonly fileVariable: (path: Path) => string | undefined
}

export function readDocument(text: string, { env, fileVariable }: DocumentContext): Document {
  const assignments = assignmentsIn(text)
  const labelled = blocksFromLabels(assignments ?? [])
  if (assignments !== undefined && labelled.length === 0) return unreadable(assignmentProblems(assignments))
  const { parts, problems, isReadable } =
    labelled.length > 0 ? { parts: [], problems: [], isReadable: true } : readYaml(text)
  if (!isReadable) return unreadable(problems)
  const blocks = labelled.length > 0 ? labelled : blocksIn(parts)
  const [block, ...more] = blocks
  if (block !== undefined && block.place === undefined && !hasOptions(block.tree)) {
    const nothing = withoutOptions(parts)
    if (nothing !== undefined) return unreadable([...problems, ...nothing])
  }
  if (more.length > 0) return unreadable([...problems, tooMany(blocks)])
  if (block !== undefined) return fromBlock(block, problems, { env, fileVariable })
  const [something] = parts
  if (something === undefined) return { ...empty, problems }
  const message = 'must be a YAML mapping of options, such as `clientID: …`'
  return unreadable([...problems, { path: [], line: something.line, message }])
}

/** A manifest or a compose file in which no options of ours are: what it should have been. */
function withoutOptions(parts: readonly YamlPart[]): readonly YamlProblem[] | undefined {
  const mentions = foreignMentions(parts)
  const [first] = parts
  const isManifest = parts.some(({ tree }) => isRecord(tree) && ('apiVersion' in tree || 'services' in tree))
  if (first === undefined || (mentions.length === 0 && !isManifest)) return undefined
  const message =
    'holds no options of this service: neither at its top, nor in a block of a plugin (plugin: { NAME: … } or labels); see config.example.yaml'
  return [{ path: [], line: first.line, message }, ...mentions]
}

const empty: Document = {
  tree: {},
  lineOf: () => 1,
  problems: [],
  notes: [],
  isReadable: true,
  isPluginBlock: false,
}

function unreadable(problems: readonly YamlProblem[]): Document {
  return { ...empty, problems, isReadable: false }
}

function tooMany(blocks: readonly Block[]): YamlProblem {
  const lines = blocks.map(({ line }) => line).join(', ')
  const message = `holds ${blocks.length} blocks of options (lines ${lines}), perhaps in several YAML documents; keep one in this file`
  return { path: [], line: blocks[1]?.line ?? 1, message }
}

function fromBlock(
  block: Block,
  yamlProblems: readonly YamlProblem[],
  { env, fileVariable }: DocumentContext,
): Document {
  // As in Compose, `x-…` at the top holds anchors for the rest.
  const options = Object.fromEntries(Object.entries(block.tree).filter(([name]) => !name.startsWith('x-')))
  const { tree, problems: spellingProblems, writtenPath } = spelled(options)
  const lineOf = (path: Path): number => block.lineOf(writtenPath(path))
  const problems: DocumentProblem[] = [
    ...yamlProblems,
    ...spellingProblems.map(({ path, message }) => ({ path, line: lineOf(path), message })),
  ]

  function filled(node: unknown, path: Path): unknown {
    if (Array.isArray(node)) return node.map((item: unknown, index) => filled(item, [...path, index]))
    if (isRecord(node)) {
      const entries = Object.entries(node).map(([key, value]): [string, unknown] => [
        key,
        filled(value, [...path, key]),
      ])
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
    }
    if (typeof node !== 'string') return node
    const variable = fileVariable(path)
    const result =
      variable === undefined
        ? interpolate(node, env)
        : // A default would be a secret in the file.
          interpolate(node, env, () => `leave the option out and set ${variable} to the file that holds the secret`)
    if ('text' in result) return result.text
    problems.push({ path, line: lineOf(path), message: result.problem })
    return undefined
  }

  const foreign = foreignBlock(tree, block.plugin)
  for (const { path, message, meant } of foreign.problems) {
    problems.push({ path, line: lineOf(path), message, ...(meant !== undefined && { meant }) })
  }
  const notes =
    block.place === undefined
      ? []
      : [{ line: block.line, message: `the options are those of ${block.place}; what is around them is not read` }]
  return {
    // A record stays one.
    tree: filled(foreign.tree, []) as Record<string, unknown>,
    lineOf,
    problems,
    notes,
    isReadable: true,
    isPluginBlock: block.plugin !== undefined,
  }
}
