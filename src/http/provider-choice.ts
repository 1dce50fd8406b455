// At which provider somebody logs in: the one that is for where they want to go, the one that a link names, or the one that they
// choose on the sign-in page.
import type { AccessRules, Policy } from '../access/access.ts'
import { originalRequest } from '../access/canonical.ts'
import type { Handovers } from '../login/handover.ts'
import type { ConfiguredProvider, Providers } from '../oidc/providers.ts'
import type { Addresses } from './addresses.ts'

export type Choice =
  | { readonly kind: 'one'; readonly chosen: ConfiguredProvider }
  /** The person has to say. */
  | { readonly kind: 'several' }
  /** Nobody's people may go there. */
  | { readonly kind: 'none' }

export interface ProviderChoice {
  /** Those whose people could meet what is required. */
  meeting(policy: Policy): readonly ConfiguredProvider[]
  /** Those whose people could come to this address. */
  for(returnTo: string): readonly ConfiguredProvider[]
  /** Of these the one that is asked for by name, or the only one. */
  among(candidates: readonly ConfiguredProvider[], asked?: string): Choice
  /** The name in links; undefined where there is but one provider, which needs none. */
  nameOf(provider: string | undefined): string | undefined
}

const globally = [0] as const

export function createProviderChoice(
  providers: Pick<Providers, 'all'>,
  rules: Pick<AccessRules, 'policyFor' | 'admitsProvider'>,
): ProviderChoice {
  const { all } = providers
  const isOne = all.length === 1

  function meeting(policy: Policy): readonly ConfiguredProvider[] {
    if (isOne) return all
    const requirements = (policy.kind === 'deny' ? undefined : policy.requirements) ?? globally
    return all.filter(({ entry }) => rules.admitsProvider(requirements, entry.id))
  }

  return {
    meeting,
    for(returnTo) {
      if (isOne) return all
      const { protocol, host, pathname, search } = new URL(returnTo)
      const scheme = protocol === 'http:' ? 'http' : 'https'
      return meeting(rules.policyFor(originalRequest({ method: 'GET', scheme, host, target: pathname + search })))
    },
    among(candidates, asked) {
      const named = candidates.find(({ entry }) => entry.name === asked)
      const [only, ...others] = candidates
      const chosen = named ?? (others.length === 0 ? only : undefined)
      if (chosen !== undefined) return { kind: 'one', chosen }
      return candidates.length === 0 ? { kind: 'none' } : { kind: 'several' }
    },
    nameOf: (id) => (isOne ? undefined : all.find(({ entry }) => entry.id === id)?.entry.name),
  }
}

/** A login at the login host, for a host of another domain: what is to be met is what is asked for there. */
export function beyondHandover(
  choice: ProviderChoice,
  { loginOrigin, ownPath }: Pick<Addresses, 'loginOrigin' | 'ownPath'>,
  handovers: Pick<Handovers, 'read'>,
): ProviderChoice {
  return {
    ...choice,
    for(returnTo) {
      const { origin, host, pathname, searchParams } = new URL(returnTo)
      const isHandover = pathname === ownPath.handover && origin === loginOrigin({ scheme: 'https', host })
      const handover = isHandover ? handovers.read(searchParams.get('state') ?? '') : undefined
      return choice.for(handover?.returnTo ?? returnTo)
    },
  }
}
