// The configured providers, as those see them who have to do with more than one: which of them a session or a login is of, who sent a
// logout token, how all of them fare. What each is asked goes to it directly.
import type { ProviderEntries, ProviderEntry } from '../config/config.ts'
import { SignalRejected } from '../errors.ts'
import type { LogoutToken } from './logout-token.ts'
import type { Claims, Provider } from './provider.ts'
import { claimAt } from './claims.ts'
import { issuerNamed } from './signal-token.ts'

export interface Providers<P extends Provider = Provider> {
  /** In the order of the configuration. */
  readonly all: readonly [ConfiguredProvider<P>, ...ConfiguredProvider<P>[]]
  /** The provider of a session, a pass or a login (`Session.provider`). Throws RangeError where it is none of them. */
  of(id: string | undefined): P
  /** Whether it is one of them: what another configuration made is not. */
  has(id: string | undefined): boolean
  /** By its name in the configuration. */
  named(name: string): ConfiguredProvider<P> | undefined
  /** `starting` until one of them is known; `ready` when all are well. */
  status(): ReturnType<Provider['status']>
  start(): void
  stop(): void
  /** See Provider. Of whichever of them issued it. */
  readLogoutToken(token: string): Promise<LogoutToken>
  /** See Provider. Of all of them. */
  pageOrigins(): readonly string[]
}

export interface ConfiguredProvider<P extends Provider = Provider> {
  readonly entry: ProviderEntry
  readonly provider: P
}

export function createProviders<P extends Provider>(
  entries: ProviderEntries,
  create: (entry: ProviderEntry) => P,
): Providers<P> {
  const [first, ...others] = entries
  const all = [configured(first), ...others.map(configured)] as const
  const byID = new Map(all.map((one) => [one.entry.id, one.provider]))

  function configured(entry: ProviderEntry): ConfiguredProvider<P> {
    return { entry, provider: create(entry) }
  }

  return {
    all,
    of(id) {
      const found = byID.get(id)
      if (found === undefined) throw new RangeError(`no provider ${id}`)
      return found
    },
    has: (id) => byID.has(id),
    named: (name) => all.find(({ entry }) => entry.name === name),
    status() {
      const found = all.map(({ provider }) => provider.status())
      if (found.every((status) => status === 'starting')) return 'starting'
      return found.every((status) => status === 'ready') ? 'ready' : 'failing'
    },
    start() {
      for (const { provider } of all) provider.start()
    },
    stop() {
      for (const { provider } of all) provider.stop()
    },
    async readLogoutToken(token) {
      const issuer = all.length === 1 ? undefined : issuerNamed(token)
      // Nothing is believed of what it says: whoever it names looks at it, as if it were there alone. One that names nobody is refused.
      if (issuer === undefined) return all[0].provider.readLogoutToken(token)
      let refusal: unknown
      const candidates = all.filter(({ provider }) => provider.isIssuer(issuer))
      for (const { provider } of candidates) {
        try {
          return await provider.readLogoutToken(token)
        } catch (error) {
          // Two clients of one provider: it is for one of them.
          refusal ??= error
        }
      }
      throw refusal ?? new SignalRejected('issuer', 'iss is none of the configured providers')
    },
    pageOrigins: () => [...new Set(all.flatMap(({ provider }) => provider.pageOrigins()))],
  }
}

/** One whose people have the claims that options name by other names (`ProviderEntry.claimNames`): from here on, by ours. */
export function withClaimNames<P extends Provider>(provider: P, names: Readonly<Record<string, string>>): P {
  if (Object.keys(names).length === 0) return provider
  return {
    ...provider,
    async exchangeCode(callback) {
      const grant = await provider.exchangeCode(callback)
      return { ...grant, claims: renamed(grant.claims, names) }
    },
    async refresh(tokens, expected) {
      const grant = await provider.refresh(tokens, expected)
      return { ...grant, claims: grant.claims && renamed(grant.claims, names) }
    },
  }
}

/** A claim of theirs that has our name by chance means something else, and goes. */
export function renamed(claims: Claims, names: Readonly<Record<string, string>>): Claims {
  const ours = Object.entries(names).map(([ourName, theirs]): [string, unknown] => [ourName, claimAt(claims, theirs)])
  return Object.fromEntries([...Object.entries(claims), ...ours])
}
