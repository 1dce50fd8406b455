// The OpenID provider as the rest of the service sees it. This room owns discovery, keys, the token endpoint and every
// check of a token; it leaves to others what a session is (session/), how a browser gets here and back (login/), and who
// may pass (access/).

import type { LogoutToken } from './logout-token.ts'

export type Claims = Readonly<Record<string, unknown>>

/** How a person has to have authenticated (RFC 9470): by one of these `acr`, and no longer ago than this. Undefined: either way. */
export interface StepUp {
  readonly acr: readonly string[] | undefined
  readonly maxAgeMs: number | undefined
}

/** How and when (ms since the epoch) they did, as far as the ID token says. */
export interface Authentication {
  readonly acr: string | undefined
  readonly at: number | undefined
}

/** What the provider must be sent to begin a login. */
export interface AuthorizationRequest {
  readonly redirectURI: string
  readonly state: string
  readonly nonce: string
  /** S256 challenge is derived from it (RFC 7636). */
  readonly codeVerifier: string
  /** The code is worth something only to who holds it (RFC 9449 section 10). */
  readonly proofKey?: string | undefined
  /** `select_account`, `login`, ...: overrides nothing that we manage ourselves. */
  readonly prompt?: string
  readonly loginHint?: string
  readonly stepUp?: StepUp
}

export interface EndSessionRequest {
  readonly idToken: string | undefined
  readonly postLogoutRedirectURI: string
  readonly state: string
}

/** A callback as the browser brought it, together with what the flow remembers. */
export interface Callback {
  /** Raw query of the callback, without `?`. */
  readonly query: string
  readonly redirectURI: string
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  /** What the login was for, where not for any authentication: an ID token that does not say so is refused. */
  readonly stepUp?: StepUp | undefined
  /** When the person was sent to the provider (ms since the epoch). */
  readonly startedAt?: number
  /** What the login began with, where it did. */
  readonly proofKey?: string | undefined
}

export interface Tokens {
  readonly accessToken: string
  readonly idToken: string | undefined
  readonly refreshToken: string | undefined
  /** Private key whose possession has to be proven with these tokens (RFC 9449); for nobody but the provider's room. */
  readonly proofKey?: string | undefined
}

/** A verified answer of the token endpoint. */
export interface Grant {
  readonly tokens: Tokens
  /** When the access token ends (ms since the epoch): `expires_in`, else the ID token's `exp`. */
  readonly expiresAt: number
  /** Verified ID-token claims, completed from UserInfo where a configured claim was lacking. */
  readonly claims: Claims
  /** Absent: nothing was said of it. */
  readonly authentication?: Authentication
  /** A source of claims could not be asked: what is missing may be missing for that. */
  readonly isHalfKnown?: boolean
  /** What makes the ID token single use: its `jti`, else its SHA-256. */
  readonly idTokenKey: string
  /** The ID token's `exp` (ms since the epoch). */
  readonly idTokenExpiresAt: number
  /** Its `iat`: ms since the epoch by the provider's clock, as exact as it says. */
  readonly idTokenIssuedAt: number
}

/** Whose session it is that a refresh is for. */
export interface Expected {
  readonly issuer: string
  readonly subject: string
  /** See Grant: what was missed is asked for again. */
  readonly isHalfKnown?: boolean | undefined
}

/** What a refresh brought. `claims`: all of them, or undefined where the old identity stays. */
export interface RefreshGrant {
  readonly tokens: Tokens
  readonly expiresAt: number
  readonly claims: Claims | undefined
  /** Of the original login (Core 12.2). Absent: no ID token said anything of it. */
  readonly authentication?: Authentication
}

export interface Provider {
  /** `starting` until the first discovery has succeeded; `failing`: known, but what was asked of it last did not succeed. */
  status(): 'starting' | 'ready' | 'failing'
  /** Begins discovery in the background (retry with back-off and jitter, hourly refresh). */
  start(): void
  stop(): void
  /** What a login's tokens are to be bound to; undefined: to nothing. Throws ProviderUnavailable while no metadata is known. */
  newProofKey(): Promise<string | undefined>
  /**
   * Throws ProviderUnavailable while no metadata is known, or where the request has to be pushed (RFC 9126) and cannot be, and
   * LoginRejected where the provider refuses what was pushed.
   */
  authorizationURL(request: AuthorizationRequest): Promise<URL>
  /** Whether it lets a person do this when asked by `prompt`; where it does not say, it may. */
  offersPrompt(prompt: string): boolean
  /**
   * Checks the answer's `state` and `iss`, redeems the code, verifies. Throws LoginRejected or ProviderUnavailable; tokens that came
   * all the same are abandoned then.
   */
  exchangeCode(callback: Callback): Promise<Grant>
  /** One call, never repeated by itself (a rotating refresh token). Throws RefreshRejected or ProviderUnavailable. */
  refresh(tokens: Tokens, expected: Expected): Promise<RefreshGrant>
  /** RFC 7009, both tokens, best effort within `providerTimeout`: never throws. */
  revoke(tokens: Tokens): Promise<void>
  /** Revokes the tokens of a login that did not come about, where that ends nothing else. Returns at once; never throws. */
  abandon(tokens: Tokens): void
  /**
   * OpenID Connect RP-Initiated Logout 1.0. An ID token that would make the address longer than 2 KB is left out.
   * Undefined when it is too long even so, and when the provider has no such endpoint or is not known yet.
   */
  endSessionURL(request: EndSessionRequest): URL | undefined
  /**
   * What a logout token says that somebody brought (Back-Channel Logout 1.0). Throws SignalRejected, or ProviderUnavailable where it
   * cannot be verified now.
   */
  readLogoutToken(token: string): Promise<LogoutToken>
  /** Whether that is how it calls itself (`iss`). */
  isIssuer(issuer: string): boolean
  /** Where its pages are, as far as it is known: those that may show ours in a frame when somebody logs out there. */
  pageOrigins(): readonly string[]
}
