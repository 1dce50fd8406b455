// Manifests and compose files of oauth2-proxy: its options are flags and variables in lists. No options of ours are in them; each
// flag and variable is answered with what it is here.
import { moveWords, oauth2ProxyMove } from './moving.ts'
import type { Path } from './problems.ts'
import { isRecord, type YamlPart, type YamlProblem } from './yaml-file.ts'

export function foreignMentions(parts: readonly YamlPart[]): readonly YamlProblem[] {
  return parts.flatMap((part) => mentionsIn(part, part.tree, []))
}

function mentionsIn(part: YamlPart, node: unknown, at: Path): readonly YamlProblem[] {
  if (typeof node === 'string') return mention(part, node, at)
  if (Array.isArray(node)) return node.flatMap((item: unknown, index) => mentionsIn(part, item, [...at, index]))
  if (!isRecord(node)) return []
  return Object.entries(node).flatMap(([key, value]) => {
    const here = [...at, key]
    return key.startsWith('OAUTH2_PROXY_') ? mention(part, key, here) : mentionsIn(part, value, here)
  })
}

/** `--email-domain=*`, `OAUTH2_PROXY_EMAIL_DOMAINS=*`, or the name alone. */
function mention(part: YamlPart, text: string, at: Path): readonly YamlProblem[] {
  const name = /^(--?[a-z][a-z0-9-]+|OAUTH2_PROXY_[A-Z0-9_]+)(?:=.*)?$/s.exec(text.trim())?.[1]
  const move = name === undefined ? undefined : oauth2ProxyMove(name)
  if (name === undefined || move === undefined) return []
  return [{ path: [name], line: part.lineOf(at), message: moveWords('oauth2-proxy', move) }]
}
