// The provider: who has which groups, and refresh tokens that may be used once. A spent token ends the session there.
import { RefreshRejected } from '../../src/errors.ts'
import type { Grant, Provider, RefreshGrant, Tokens } from '../../src/oidc/provider.ts'
import type { Chance } from './chance.ts'
import type { Events, Loop } from './events.ts'

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
}

const issuer = 'https://id.example.com'

/** Which of an account's rights a session's claims state. */
export const rightsIn = (claims: Readonly<Record<string, unknown>>): number => Number(claims['rights'])

export function createProvider(deps: {
  events: Events
  chance: Chance
  tokenLifeMs: number
  accounts: Map<string, Account>
  /** Somebody presented a token that was used before. */
  onReuse: (account: Account) => void
}): SimulatedProvider {
  const { events, chance, tokenLifeMs, accounts, onReuse } = deps

  const tokensOf = (account: Account): Tokens => ({
    accessToken: `at-${account.token}`,
    idToken: undefined,
    refreshToken: `${account.subject} ${account.token}`,
  })
  const claimsOf = ({ subject, rights }: Account) => ({ iss: issuer, sub: subject, rights })

  function refreshed(tokens: Tokens, wallTime: number): RefreshGrant {
    const [subject = '', token] = (tokens.refreshToken ?? '').split(' ')
    const account = accounts.get(subject)
    if (account === undefined || account.hasEnded) throw new RefreshRejected('invalid_grant', 'the session has ended')
    if (Number(token) !== account.token) {
      onReuse(account)
      account.hasEnded = true
      throw new RefreshRejected('invalid_grant', 'the token was used before')
    }
    account.token++
    return { tokens: tokensOf(account), expiresAt: wallTime + tokenLifeMs, claims: claimsOf(account) }
  }

  return {
    login: (account, wallTime) => ({
      tokens: tokensOf(account),
      expiresAt: wallTime + tokenLifeMs,
      claims: claimsOf(account),
      idTokenKey: account.subject,
      idTokenExpiresAt: wallTime + tokenLifeMs,
    }),
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
