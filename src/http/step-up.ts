// Step-up on the wire: how a script is told that its person has to authenticate once more (RFC 9470), and how our own start is.
import type { Config } from '../config/config.ts'
import type { StepUp } from '../oidc/provider.ts'

/** RFC 9470 section 3. The configuration's `acr` are such that none needs escaping. */
export function stepUpParameters({ acr, maxAgeMs }: StepUp): Readonly<Record<string, string>> {
  return {
    ...(acr && { acr_values: acr.join(' ') }),
    ...(maxAgeMs !== undefined && { max_age: String(Math.floor(maxAgeMs / 1_000)) }),
  }
}

export function stepUpChallenge(stepUp: StepUp): string {
  const parameters = {
    realm: 'foregate',
    error: 'insufficient_user_authentication',
    error_description: 'Another authentication is needed here',
    ...stepUpParameters(stepUp),
  }
  return `Bearer ${Object.entries(parameters)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`
}

/** What a query of our own start asks for. A link is anybody's: an `acr` that no rule names is not asked for. */
export function stepUpIn(query: URLSearchParams, known: ReadonlySet<string>): StepUp | undefined {
  const acr = (query.get('acr_values') ?? '').split(' ').filter((value) => known.has(value))
  const maxAge = /^[1-9]\d{0,8}$/.exec(query.get('max_age') ?? '')?.[0]
  if (acr.length === 0 && maxAge === undefined) return undefined
  return {
    acr: acr.length === 0 ? undefined : acr,
    maxAgeMs: maxAge === undefined ? undefined : Number(maxAge) * 1_000,
  }
}

/** Every `acr` that a rule asks for. */
export function acrNamed({ access, upstreams }: Pick<Config, 'access' | 'upstreams'>): ReadonlySet<string> {
  const rules = [...access.rules, ...upstreams.flatMap((upstream) => upstream.rules)]
  return new Set(rules.flatMap((rule) => rule.require?.acr ?? []))
}
