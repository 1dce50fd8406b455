// The patterns of paths that operators write. A pattern that could never match is a mistake that would go unnoticed (a `deny`
// that denies nothing), so each is refused with the reason.
import type { Parsed } from '../config/problems.ts'
import { canonicalPath } from './canonical.ts'

/**
 * Segments of a path pattern (`*`: one segment, `**`: any number). Patterns may be written decoded (`/café`) or encoded
 * (`/caf%C3%A9`) and with or without a slash at the end; case counts.
 */
export function parsePathPattern(pattern: string): Parsed<readonly string[]> {
  if (!pattern.startsWith('/')) return { ok: false, problem: 'must start with `/`' }
  // oxlint-disable-next-line no-control-regex -- control bytes are what is being refused
  if (/[\x00-\x1f\x7f]/.test(pattern)) return { ok: false, problem: 'holds a control byte' }
  if (pattern.includes('?')) return { ok: false, problem: 'holds a `?`, but rules never look at the query' }
  const { path, ambiguity } = canonicalPath(asciiForm(pattern))
  if (ambiguity !== undefined) {
    return { ok: false, problem: `can never match, because such a request is always ambiguous (${ambiguity})` }
  }
  const segments = path.split('/').filter((segment) => segment !== '')
  if (segments.some((segment) => segment.includes('*') && segment !== '*' && segment !== '**')) {
    return { ok: false, problem: '`*` and `**` stand for whole segments: `/assets/*`, not `/assets/*.css`' }
  }
  return { ok: true, value: segments }
}

/** As a browser would send it: beyond ASCII and the space encoded, what is encoded already left alone. */
function asciiForm(pattern: string): string {
  // oxlint-disable-next-line no-control-regex -- everything beyond ASCII
  return pattern.toWellFormed().replace(/[^\x21-\x7f]+/g, encodeURIComponent)
}
