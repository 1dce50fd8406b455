// Forms that the plugin writes and that stand for a group here.
import { valueAt } from './environment.ts'
import type { Environment } from './interpolate.ts'
import { isRecord } from './yaml-file.ts'

export interface Opened {
  readonly tree: Record<string, unknown>
  /** Path (as JSON) -> the variable it came from. */
  readonly origins: ReadonlyMap<string, string>
  /** The file has the short form. */
  readonly isShort: boolean
}

/** `rateLimit: 100`, as the plugin writes it, becomes `rateLimit: { loginsPerMinute: 100 }`; RATE_LIMIT likewise. */
export function openShorthands(tree: Record<string, unknown>, env: Environment): Opened {
  const origins = new Map<string, string>()
  const written = Object.hasOwn(tree, 'rateLimit') ? tree['rateLimit'] : undefined
  if (typeof written === 'number' || typeof written === 'string') {
    return { tree: { ...tree, rateLimit: { loginsPerMinute: written } }, origins, isShort: true }
  }
  const variable = env['RATE_LIMIT'] ?? ''
  const path = ['rateLimit', 'loginsPerMinute']
  const isFree = written === undefined || (isRecord(written) && valueAt(tree, path) === undefined)
  if (variable === '' || !isFree) return { tree, origins, isShort: false }
  origins.set(JSON.stringify(path), 'RATE_LIMIT')
  return {
    tree: { ...tree, rateLimit: { ...(isRecord(written) ? written : {}), loginsPerMinute: variable } },
    origins,
    isShort: false,
  }
}
