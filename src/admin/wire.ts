// What the admin API answers, as both of its ends know it. Times are ISO 8601 in UTC. Nothing here is a secret: a session's id opens
// nothing, and tokens are never told.

export interface SessionView {
  readonly id: string
  /** By the claim of `userIdentifierClaim`, as the provider sent it. */
  readonly user: string
  readonly issuer: string
  readonly subject: string
  /** The provider's own session. */
  readonly sid: string | null
  readonly createdAt: string
  /** At most five minutes too early. */
  readonly lastSeenAt: string
  /** At the latest. */
  readonly expiresAt: string
  readonly network: string | null
  readonly browser: string | null
}

export interface SessionPage {
  readonly sessions: readonly SessionView[]
  /** What to give as `after` for those that follow; null: none do. */
  readonly next: string | null
}

export interface Revocation {
  /** Listed sessions that were ended by it; null where they are not counted, since one entry ends all that began before a moment. */
  readonly ended: number | null
  /** It is kept whatever happens to the replica that took it. False comes with 503: ask again. */
  readonly complete: boolean
}

export interface Refusal {
  readonly error: string
  /** What is wrong, and what would be right. */
  readonly message: string
}

/** Of a session: 16 random bytes, base64url. */
export const sessionIdShape = /^[\w-]{22}$/
