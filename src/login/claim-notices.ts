// Claims that the configuration counts on and a login does not bring: nobody matches, and without a word nobody knows why.
import type { Claims } from '../oidc/provider.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface Lacking {
  readonly reason: 'missing' | 'unreadable' | 'not_verified'
  readonly claim: string
  readonly options: readonly string[]
}

const remedy =
  'ask for the scope that brings it (scopes), let the provider add it (a mapper, a rule), or name where it is (claimsFrom); ' +
  'docs/providers has the steps'

const texts: Readonly<Record<Lacking['reason'], string>> = {
  missing: `somebody has logged in without a claim that these options count on, and matches nothing by it: ${remedy}`,
  unreadable: `somebody has logged in with a claim in which these options find no text, and matches nothing by it: ${remedy}`,
  not_verified:
    'the provider calls the e-mail address of somebody who has logged in not verified: lists by e-mail do not match it, and headers ' +
    'name its owner by `sub`; let the provider verify addresses, or set userIdentifierClaim to another claim',
}

/** The options of a hundred rules would make a line that nobody reads. */
const maxOptions = 5

/**
 * For the claims of a login that is complete: one warning per claim, reason and process, so that no stranger writes a line and
 * no number of people more than one. Names claims and options, never a value.
 */
export function createClaimNotices(
  lackingOf: (claims: Claims) => readonly Lacking[],
  logger: Logger,
): (claims: Claims) => void {
  const told = new Set<string>()
  return (claims) => {
    for (const { reason, claim, options } of lackingOf(claims)) {
      const key = `${reason} ${claim}`
      if (told.has(key)) continue
      told.add(key)
      const more = options.length - maxOptions
      const named = [...options.slice(0, maxOptions), ...(more > 0 ? [`${more} more`] : [])]
      logger.warn({ event: 'claim_unusable', reason, claim, options: named.join(', ') }, texts[reason])
    }
  }
}
