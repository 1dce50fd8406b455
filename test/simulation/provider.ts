// The provider: who has which groups, and refresh tokens that may be used once. A spent token ends the session there. Some answers
// get lost on their way: the token is spent, and nobody has the new one.
import { AnswerLost, RefreshRejected } from '../../src/errors.ts'
import type { Grant, Provider, RefreshGrant, Tokens } from '../../src/oidc/provider.ts'
import type { Chance } from './chance.ts'
import type { Events, Loop } from './events.ts'
import { epoch } from './redis/servers.ts'

export interface SimulatedProvider {
  login(account: Account, wallTime: number): Grant
  /** As a replica calls it. */
  at(loop: Loop, wallClock: () => number): Pick<Provider, 'refresh' | 'revoke'>
}

/** One person's session at the provider. */
export interface Account {
  readonly subject: string
  /** Grows when a group is taken. */
  rights: number
  token: number
  /** It ended there: by a spent token, or revoked. */
  hasEnded: boolean
  /** The access token's end, as it was told. */
  expiresAt: number
  /** The refresh token that was spent without an answer: it may be tried once more when the access token beside it has ended. */
  lost?: { readonly token: number; readonly until: number; isTried: boolean }
}

/** Nobody can promise that this account's sessions go on: it ended at the provider, or its refresh token is lost. */
export const mayBeOver = ({ hasEnded, lost }: Account): boolean => hasEnded || lost !== undefined

const lostShare = 0.05

export const issuer = 'https://id.example.com'

/** Which of an account's rights a session's claims state. */
export const rightsIn = (claims: Readonly<Record<string, unknown>>): number => Number(claims['rights'])

export function createProvider(deps: {
  events: Events
  chance: Chance
  /** Draws which answers get lost. */
  losses: Chance
  tokenLifeMs: number
  accounts: Map<string, Account>
  /** Somebody presented a token that was used before. */
  onReuse: (account: Account) => void
}): SimulatedProvider {
  const { events, chance, losses, tokenLifeMs, accounts, onReuse } = deps

  const tokensOf = (account: Account): Tokens => ({
    accessToken: `at-${account.token}`,
    idToken: undefined,
    refreshToken: `${account.subject} ${account.token}`,
  })
  const claimsOf = ({ subject, rights }: Account) => ({ iss: issuer, sub: subject, sid: subject, rights })

  function refreshed(tokens: Tokens, wallTime: number): RefreshGrant {
    const [subject = '', token] = (tokens.refreshToken ?? '').split(' ')
    const account = accounts.get(subject)
    if (account === undefined || account.hasEnded) throw new RefreshRejected('invalid_grant', 'the session has ended')
    if (Number(token) !== account.token) {
      const { lost } = account
      const isFair = lost?.token === Number(token) && !lost.isTried && wallTime >= lost.until
      if (lost !== undefined) lost.isTried = true
      if (!isFair) onReuse(account)
      account.hasEnded = true
      throw new RefreshRejected('invalid_grant', 'the token was used before')
    }
    account.token++
    if (account.lost === undefined && losses.hits(lostShare)) {
      account.lost = { token: Number(token), until: account.expiresAt, isTried: false }
      throw new AnswerLost('refresh: the connection was cut')
    }
    account.expiresAt = wallTime + tokenLifeMs
    return { tokens: tokensOf(account), expiresAt: account.expiresAt, claims: claimsOf(account) }
  }

  return {
    login(account, wallTime) {
      account.expiresAt = wallTime + tokenLifeMs
      return {
        tokens: tokensOf(account),
        expiresAt: account.expiresAt,
        claims: claimsOf(account),
        idTokenKey: account.subject,
        idTokenExpiresAt: account.expiresAt,
        // Its own clock is right.
        idTokenIssuedAt: Math.floor((epoch + events.now) / 1_000) * 1_000,
      }
    },
    at: (loop, wallClock) => ({
      refresh: (tokens) =>
        new Promise((resolve, reject) => {
          events.at(events.now + chance.between(10, 40), () => {
            let settle: () => void
            try {
              const grant = refreshed(tokens, wallClock())
              settle = () => resolve(grant)
            } catch (error) {
              settle = () => reject(error instanceof Error ? error : new Error(String(error)))
            }
            events.on(loop, 'socket', events.now + chance.between(10, 40), settle)
          })
        }),
      revoke(tokens) {
        const account = accounts.get((tokens.refreshToken ?? '').split(' ')[0] ?? '')
        if (account !== undefined) account.hasEnded = true
        return Promise.resolve()
      },
    }),
  }
}
