// What a session is. This room owns its life: how it is sealed and kept, found, refreshed and ended, on this replica and on
// all others. It leaves to others how a person gets one (login/), what it permits (access/) and cookies (http/).
import type { Claims, Tokens } from '../oidc/provider.ts'

/** One login of one person in one browser. Immutable: a refresh makes a new object with the next generation. */
export interface Session {
  readonly id: string
  readonly subject: string
  readonly issuer: string
  /** The provider's own session id, for logouts that it announces. */
  readonly providerSessionId: string | undefined
  /** Those claims that the configuration reads. */
  readonly claims: Claims
  /** ms since the epoch, as all times here. */
  readonly createdAt: number
  /** The absolute end, whatever happens. */
  readonly expiresAt: number
  /** The access token's end. */
  readonly tokenExpiresAt: number
  /** From here on the access token is to be refreshed, before it ends. */
  readonly refreshAt: number
  /** There is a refresh token: the end of the access token is not the end of the session. */
  readonly refreshable: boolean
  /** Refreshes of this access token whose answers were lost: the refresh token may be spent. */
  readonly lostAnswers?: number
  /** Grows by one with each write: what a compare-and-set compares. */
  readonly generation: number
}

/** A session together with the tokens kept beside it. */
export interface SessionWithTokens {
  readonly session: Session
  readonly tokens: Tokens
}
