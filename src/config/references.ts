// Strings that stand for something else: `urn:k8s:secret:NAME:KEY` works for every text (secrets keep theirs, because a rotated one
// is read again), and another program's template is refused, because it would count as it stands.
import { noTemplate } from './no-secrets.ts'
import { Wrong } from './option.ts'
import type { Finding, Path } from './problems.ts'
import { mounted, readSecret, unreadable, URN } from './secrets.ts'
import type { ReadFile } from './secrets.ts'
import { isRecord } from './yaml-file.ts'

export interface Resolved {
  readonly tree: Record<string, unknown>
  readonly problems: readonly Finding[]
}

export function resolveReferences(
  tree: Record<string, unknown>,
  {
    isSecret,
    secretsDir,
    readFile,
  }: { readonly isSecret: (path: Path) => boolean; readonly secretsDir: string; readonly readFile: ReadFile },
): Resolved {
  const problems: Finding[] = []

  function resolved(node: unknown, path: Path): unknown {
    if (Array.isArray(node)) return node.map((item: unknown, index) => resolved(item, [...path, index]))
    if (isRecord(node)) {
      const entries = Object.entries(node).map(([key, value]): [string, unknown] => [
        key,
        resolved(value, [...path, key]),
      ])
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
    }
    if (typeof node !== 'string' || isSecret(path)) return node
    if (node.trim().startsWith(URN)) return fromMount(node.trim(), path)
    const problem = isTemplate(path) ? undefined : noTemplate(node)
    if (problem !== undefined) problems.push({ path, message: problem })
    return node
  }

  function fromMount(urn: string, path: Path): string | undefined {
    const source = mounted(urn)
    if (source instanceof Wrong) {
      problems.push({ path, message: source.message })
      return undefined
    }
    try {
      return readSecret(source, secretsDir, readFile)
    } catch (error) {
      problems.push({ path, message: unreadable(source, error) })
      return undefined
    }
  }

  // A record stays one.
  return { tree: resolved(tree, []) as Record<string, unknown>, problems }
}

/** `headers[]` alone have templates of their own. */
function isTemplate([group, , part]: Path): boolean {
  return group === 'headers' && (part === 'template' || part === 'value')
}
