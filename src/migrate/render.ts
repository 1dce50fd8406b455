// The configuration as a file: in the order of config.example.yaml, each option with a remark about where it comes from, and
// proposals commented out. Values are data or text of ours (`${NAME}` is a reference in it).
import { optionShape } from '../config/schema.ts'
import { isRecord } from '../config/yaml-file.ts'

export interface Remarks {
  /** At an option's path (`redis.url`, `rules[0]`): what stands above it. */
  at(path: string): readonly string[]
  /** Commented-out lines beneath an option's own, or by themselves; YAML of the top level. */
  proposals(option: string): readonly string[]
}

/** `head`: comment lines at the top. */
export function renderConfig(
  tree: Readonly<Record<string, unknown>>,
  remarks: Remarks,
  head: readonly string[],
): string {
  const lines = head.map(comment)
  for (const name of Object.keys(optionShape)) {
    const block = [
      ...(Object.hasOwn(tree, name) ? entry(name, tree[name], name, 0, remarks) : []),
      ...remarks.proposals(name).map((line) => `#${oneLine(line)}`),
    ]
    if (block.length > 0) lines.push('', ...block)
  }
  return `${lines.join('\n').trim()}\n`
}

function entry(name: string, value: unknown, path: string, depth: number, remarks: Remarks): readonly string[] {
  const pad = '  '.repeat(depth)
  const above = remarks.at(path).map((line) => `${pad}${comment(line)}`)
  if (isRecord(value) && Object.keys(value).length > 0 && !isFlow(path)) {
    const inner = Object.entries(value).flatMap(([key, item]) => entry(key, item, `${path}.${key}`, depth + 1, remarks))
    return [...above, `${pad}${name}:`, ...inner]
  }
  if (Array.isArray(value) && value.some(isRecord)) {
    const items = value.flatMap((item: unknown, index) => [
      ...remarks.at(`${path}[${index}]`).map((line) => `${pad}  ${comment(line)}`),
      `${pad}  - ${flow(item)}`,
    ])
    return [...above, `${pad}${name}:`, ...items]
  }
  // Only what nobody could read as the end of it, such as PEM.
  if (typeof value === 'string' && /^[!-~][ -~]*\n[\n -~]*$/.test(value)) {
    return [
      ...above,
      `${pad}${name}: |`,
      ...value
        .trimEnd()
        .split('\n')
        .map((line) => `${pad}  ${line}`),
    ]
  }
  return [...above, `${pad}${name}: ${flow(value)}`]
}

/** Maps whose keys are the operator's own. */
const isFlow = (path: string): boolean => path === 'extraAuthParams'

/** A comment stays one line: whatever comes from a file could end it and go on as an option. */
const comment = (text: string): string => `# ${oneLine(text)}`.trimEnd()

const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')

/** `isInner`: within brackets, where those of a reference would end them. */
export function flow(value: unknown, isInner = false): string {
  if (Array.isArray(value)) return `[${value.map((item: unknown) => flow(item, true)).join(', ')}]`
  if (isRecord(value)) {
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${scalar(key, true)}: ${flow(item, true)}`)
      .join(', ')} }`
  }
  return typeof value === 'string' ? scalar(value, isInner) : JSON.stringify(value)
}

/** Plain where nobody could read it as anything but text, else as JSON, which YAML has for a double-quoted text. */
function scalar(text: string, isInner: boolean): string {
  // Neither a number, nor a date, nor a word such as `no`: it begins with a letter, or is a path, or a whole reference.
  const isPlain =
    /^(?:[A-Za-z_/][\w./:@+-]*|\$\{[A-Za-z_]\w*\}|\d+(?:ms|s|m|h|d)|\d+\.\d+\.\d+\.\d+(?::\d+|\/\d+)?)$/.test(text) &&
    !(isInner && text.includes('{')) &&
    !/:$|^(?:y|n|yes|no|on|off|true|false|null)$/i.test(text)
  return isPlain
    ? text
    : JSON.stringify(text).replaceAll(
        /[\u007f-\u009f\u2028\u2029\ufeff]/g,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
}
