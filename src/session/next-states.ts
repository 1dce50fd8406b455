// What a session becomes by a refresh. Pure: each a new state with the next generation.
import type { Authentication, Claims, RefreshGrant } from '../oidc/provider.ts'
import type { Clock } from '../time.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import type { Session, SessionWithTokens } from './session.ts'

export interface NextStates {
  /** With what the provider gave. */
  renewed(before: SessionWithTokens, grant: RefreshGrant): SessionWithTokens
  /** The provider gives no new tokens: it ends with the access token it has. */
  withoutRefresh(before: SessionWithTokens): SessionWithTokens
  /**
   * The provider may have spent the refresh token, and its answer was lost. Tried once more when the access token has ended, for
   * then there is nothing left to lose; after that not again, and the session ends when nothing stands in for it any more.
   */
  afterLostAnswer(before: SessionWithTokens): SessionWithTokens
}

export function createNextStates(deps: {
  claimsToKeep: (claims: Claims) => Claims
  lifetimes: Pick<SessionLifetimes, 'refreshTime'>
  maxStaleMs: number
  clock: Clock
}): NextStates {
  const { lifetimes, maxStaleMs, clock } = deps

  function after(
    { session, tokens }: SessionWithTokens,
    changes: Partial<Session>,
    newTokens = tokens,
  ): SessionWithTokens {
    return { session: { ...session, ...changes, generation: session.generation + 1 }, tokens: newTokens }
  }

  return {
    renewed(before, { claims, authentication, expiresAt, tokens }) {
      const { lostAnswers: _, isHalfKnown, ...session } = before.session
      return after(
        { ...before, session },
        {
          // A new ID token says all: a group that it does not name any more is gone.
          claims: claims === undefined ? session.claims : deps.claimsToKeep(claims),
          ...authenticationOf(session, authentication),
          ...(isHalfKnown === true && claims === undefined && { isHalfKnown }),
          tokenExpiresAt: expiresAt,
          refreshAt: lifetimes.refreshTime(clock(), expiresAt),
          refreshable: tokens.refreshToken !== undefined,
        },
        tokens,
      )
    },
    withoutRefresh: (before) => after(before, { refreshable: false }, { ...before.tokens, refreshToken: undefined }),
    afterLostAnswer(before) {
      const { tokenExpiresAt, lostAnswers = 0 } = before.session
      return after(before, {
        lostAnswers: lostAnswers + 1,
        refreshAt: lostAnswers === 0 ? tokenExpiresAt : tokenExpiresAt + maxStaleMs,
      })
    },
  }
}

/**
 * How and when they authenticated, after an answer of the provider. What it does not speak of stays: many a refreshed ID token says
 * nothing of the login (Core 12.2). A login is made newer by the provider's word alone, and never older.
 */
export function authenticationOf(
  before: Pick<Session, 'acr' | 'authenticatedAt'> | undefined,
  said: Authentication | undefined,
): Pick<Session, 'acr' | 'authenticatedAt'> {
  const acr = said?.acr ?? before?.acr
  const times = [before?.authenticatedAt, said?.at].filter((time) => time !== undefined)
  return { ...(acr !== undefined && { acr }), ...(times.length > 0 && { authenticatedAt: Math.max(...times) }) }
}
