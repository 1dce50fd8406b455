// A block of the other plugin, traefik-oidc-auth: its options have other names and stand in other groups. Each is answered with
// the name that it has here.
import { knownKeys } from './option-names.ts'
import { moveWords, traefikOidcAuthMove } from './moving.ts'
import type { Finding, Path } from './problems.ts'
import { isRecord } from './yaml-file.ts'

interface ForeignFinding extends Finding {
  readonly meant?: Path
}

export interface Foreign {
  /** What is ours of it. */
  readonly tree: Record<string, unknown>
  readonly problems: readonly ForeignFinding[]
}

export function foreignBlock(tree: Record<string, unknown>, plugin: string | undefined): Foreign {
  if (!isTraefikOidcAuth(tree, plugin)) return { tree, problems: [] }
  const ours = new Set(knownKeys([]))
  const problems: ForeignFinding[] = []
  const kept = Object.entries(tree).filter(([key, value]) => {
    if (ours.has(key)) return true
    const paths: Path[] = isRecord(value) ? Object.keys(value).map((inner) => [key, inner]) : [[key]]
    for (const path of paths) {
      const move = traefikOidcAuthMove(path)
      const meant = move?.option?.split('.')
      const message =
        move === undefined
          ? 'is no option here; see docs/moving.md, from traefik-oidc-auth'
          : moveWords('traefik-oidc-auth', move)
      problems.push({ path, message, ...(meant !== undefined && { meant }) })
    }
    return false
  })
  return { tree: Object.fromEntries(kept), problems }
}

function isTraefikOidcAuth(tree: Record<string, unknown>, plugin: string | undefined): boolean {
  if (plugin !== undefined && /oidc-?auth/i.test(plugin)) return true
  const [, provider] = Object.entries(tree).find(([key]) => key.toLowerCase() === 'provider') ?? []
  return isRecord(provider) && Object.keys(provider).some((key) => /^(?:url|clientid)(?:env)?$/i.test(key))
}
