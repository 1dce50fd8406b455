// Microsoft's addresses for many organisations (`common`, `organizations`): the document calls its issuer
// `https://login.microsoftonline.com/{tenantid}/v2.0`, and each token names its own organisation, as `tid` and within `iss`. Which of them
// count is the operator's to say: anybody can make an organisation of their own, and call its people what they like.
import { isTenantID, manyTenants } from '../config/tenants.ts'
import { LoginRejected } from '../errors.ts'
import type { JSONObject } from './json.ts'

const placeholder = '{tenantid}'

export interface Issuers {
  /** As the provider's document writes it. */
  readonly announced: string
  /** Whether this is how it calls itself in tokens. */
  includes(issuer: string): boolean
  /** What `iss` of a token with these claims has to be. Throws LoginRejected where no organisation counts that it could be of. */
  of(claims: JSONObject): string
}

/** `tenants`: those that count, in lower case, `*`: any; undefined: the provider has one name. */
export function createIssuers(providerURL: string, tenants: readonly string[] | undefined): Issuers {
  if (tenants === undefined) {
    return { announced: providerURL, includes: (issuer) => issuer === providerURL, of: () => providerURL }
  }
  const announced = providerURL.replace(manyTenants, `/${placeholder}`)
  const counts = (tenant: string) =>
    isTenantID(tenant) && (tenants.includes('*') || tenants.includes(tenant.toLowerCase()))
  return {
    announced,
    includes(issuer) {
      const tenant = tenantIn(announced, issuer)
      return tenant !== undefined && counts(tenant)
    },
    of({ tid }) {
      if (typeof tid !== 'string' || !counts(tid)) {
        throw new LoginRejected('id_token_issuer', 'tid is no organisation that allowedTenants names')
      }
      return announced.replace(placeholder, tid)
    },
  }
}

/** What stands for `{tenantid}` in an issuer that is made of this template. */
export function tenantIn(template: string, issuer: string): string | undefined {
  const [before, after, ...rest] = template.split(placeholder)
  if (before === undefined || after === undefined || rest.length > 0) return undefined
  if (!issuer.startsWith(before) || !issuer.endsWith(after)) return undefined
  const tenant = issuer.slice(before.length, issuer.length - after.length)
  return isTenantID(tenant) ? tenant : undefined
}

/**
 * Whether a key may sign for this issuer: Microsoft's say whose tokens they are for (`issuer` of the key, perhaps with the placeholder), so
 * that an organisation's own key makes no tokens of another one.
 */
export function mayKeySign(key: JSONObject, issuer: unknown): boolean {
  const { issuer: whose } = key
  if (typeof whose !== 'string') return true
  return typeof issuer === 'string' && (whose === issuer || tenantIn(whose, issuer) !== undefined)
}
