// Tokens that were found to be good, for five minutes or until they end: near, under the whole header that they came in, and shared,
// sealed with a key that needs the token itself. And those that were found to be bad at some expense, for a moment: apart, so that a
// flood of them pushes nothing good out.
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { SharedCache } from '../cache/shared-cache.ts'
import type { TokenRejected } from '../errors.ts'
import { isObject, type JSONObject } from '../oidc/json.ts'
import type { Sealer } from '../sealing.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import { minutes, seconds, type Clock } from '../time.ts'

/** Whom a token speaks for, as far as decisions and headers are concerned. */
export interface TokenIdentity {
  readonly subject: string
  readonly issuer: string
  /** See Session; absent too for a further issuer's. */
  readonly provider?: string
  /** Those claims that the configuration reads. */
  readonly claims: JSONObject
  readonly scopes: readonly string[]
  /** The token's own end (ms since the epoch, as all times here); undefined: nobody says. */
  readonly endsAt: number | undefined
  /** How its person proved who they are, and when; absent: nobody says. */
  readonly acr?: string
  readonly authenticatedAt?: number
}

export interface VerifiedToken {
  readonly identity: TokenIdentity
  /** It counts only with a proof of this key. */
  readonly keyThumbprint: string | undefined
  readonly jti: string | undefined
  /** From then on it has to be verified again. */
  readonly until: number
}

/** Of a TokenRejected what is worth keeping ten thousand times: no stack, no cause. */
export type Rejection = Pick<TokenRejected, 'reason' | 'message'>

export interface VerifiedTokens {
  /** One lookup, synchronous: the hot path. */
  near(authorization: string): VerifiedToken | undefined
  keepNear(authorization: string, token: VerifiedToken): void
  /** Names the token, and what it was judged by, without giving it away. */
  idOf(token: string): string
  /** Never throws: what cannot be read is found out anew. */
  shared(id: string, token: string): Promise<VerifiedToken | undefined>
  keepShared(id: string, token: string, verified: VerifiedToken): Promise<void>
  rejection(id: string): Rejection | undefined
  keepRejection(id: string, rejection: Rejection): void
  /** Answers of the near tier. */
  readonly counts: { readonly hit: Count; readonly miss: Count }
  readonly nearSize: number
  readonly nearBytes: number
}

/** The longest that a token which was revoked goes on here. */
export const verifiedForMs = minutes(5)
const rejectedForMs = seconds(10)
const maxNear = 10_000
const maxNearBytes = 16 * 1024 * 1024
const maxRejected = 10_000
/** What an entry weighs besides its header and its claims: the ready answer, the map's own nodes. */
const entryOverheadBytes = 1_000
const version = 2

export function createVerifiedTokens(deps: {
  readonly cache: SharedCache
  readonly sealer: Sealer
  /** Deployment, issuers, audiences, claims that are kept: a verdict by other rules is none. */
  readonly judgedBy: string
  readonly metrics: Pick<Metrics, 'cacheRequests'>
  readonly clock: Clock
}): VerifiedTokens {
  const { cache, sealer, judgedBy, clock } = deps
  const count = (tier: 'l1' | 'l2', result: string) =>
    deps.metrics.cacheRequests.labels({ kind: 'token', tier, result })
  const near = new LRUCache<string, VerifiedToken>({
    max: maxNear,
    maxSize: maxNearBytes,
    sizeCalculation: ({ identity }, header) =>
      header.length + JSON.stringify(identity.claims).length + entryOverheadBytes,
  })
  const rejected = new LRUCache<string, { readonly rejection: Rejection; readonly until: number }>({
    max: maxRejected,
  })
  const context = (id: string) => `token:${id} ${version}`

  return {
    near(authorization) {
      const known = near.get(authorization)
      return known !== undefined && clock() < known.until ? known : undefined
    },
    keepNear: (authorization, token) => void near.set(authorization, token),

    idOf: (token) => createHash('sha256').update(`${judgedBy} ${token}`).digest('base64url'),

    async shared(id, token) {
      if (cache.mode === 'memory') return undefined
      try {
        const sealed = await cache.store.get({ kind: 'token', id })
        const plain = sealed === undefined ? undefined : sealer.open(sealed, context(id), token)
        const verified = plain === undefined ? undefined : decode(plain)
        const isGood = verified !== undefined && clock() < verified.until
        count('l2', isGood ? 'hit' : 'miss').value++
        return isGood ? verified : undefined
      } catch {
        count('l2', 'error').value++
        return undefined
      }
    },

    async keepShared(id, token, verified) {
      const ttlMs = Math.ceil(verified.until - clock())
      if (cache.mode === 'memory' || ttlMs <= 0) return
      // A missed write costs another replica a question to the provider.
      await cache.store
        .set({ kind: 'token', id }, sealer.seal(encode(verified), context(id), token), ttlMs)
        .catch(() => undefined)
    },

    rejection(id) {
      const known = rejected.get(id)
      return known !== undefined && clock() < known.until ? known.rejection : undefined
    },
    keepRejection: (id, { reason, message }) =>
      void rejected.set(id, { rejection: { reason, message }, until: clock() + rejectedForMs }),

    counts: { hit: count('l1', 'hit'), miss: count('l1', 'miss') },
    get nearSize() {
      return near.size
    },
    get nearBytes() {
      return near.calculatedSize
    },
  }
}

interface Stored extends VerifiedToken {
  readonly version: typeof version
}

/** The whole of it, rather than field by field: one that were left out would be missing on other replicas alone. */
const encode = (verified: VerifiedToken): Buffer =>
  Buffer.from(JSON.stringify({ version, ...verified } satisfies Stored))

/** Undefined for a format of another version. */
function decode(plain: Buffer): VerifiedToken | undefined {
  const value: unknown = JSON.parse(plain.toString())
  if (!isObject(value) || value['version'] !== version) return undefined
  // Sealed by us under this format's version: the shape is what `encode` wrote.
  return value as unknown as Stored
}
