// What a session is. This room owns its life: how it is sealed and kept, found, refreshed and ended, on this replica and on
// all others. It leaves to others how a person gets one (login/), what it permits (access/) and cookies (http/).
import type { Claims, Tokens } from '../oidc/provider.ts'

/** From where a login came, as much as a list of sessions tells: neither an address nor a browser's whole name. */
export interface WhereFrom {
  /** The network of the client's address, such as 192.0.2.0/24. */
  readonly network?: string | undefined
  /** Such as "Firefox on Linux". */
  readonly browser?: string | undefined
}

/** One login of one person in one browser. Immutable: a refresh makes a new object with the next generation. */
export interface Session extends WhereFrom {
  readonly id: string
  readonly subject: string
  readonly issuer: string
  /** Whose session it is of several configured ones (`ProviderEntry.id`). Absent: of the one at the top. */
  readonly provider?: string
  /** The provider's own session id, for logouts that it announces. */
  readonly providerSessionId: string | undefined
  /** Those claims that the configuration reads. */
  readonly claims: Claims
  /** How the person proved who they are, and when, as the ID token says. Absent: it does not. */
  readonly acr?: string
  readonly authenticatedAt?: number
  /** ms since the epoch, as all times here. */
  readonly createdAt: number
  /**
   * When its ID token was issued, by the provider's clock: what a logout that the provider announces is compared with. Absent in
   * sessions of before there was such a thing: `createdAt` then.
   */
  readonly issuedAt?: number
  /**
   * Sweeps that this login came after and knew of, though clocks do not show it: kind -> `until` (sweeps.ts). Absent: none.
   */
  readonly after?: Readonly<Record<string, number>> | undefined
  /** The absolute end, whatever happens. */
  readonly expiresAt: number
  /** The access token's end. */
  readonly tokenExpiresAt: number
  /** From here on the access token is to be refreshed, before it ends. */
  readonly refreshAt: number
  /** Its login could not ask a source of claims, and no refresh has since: what is missing may be missing for that. */
  readonly isHalfKnown?: boolean
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
