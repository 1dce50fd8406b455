// Claims as the rest of the service sees them: found by dot path, completed from UserInfo, without the protocol's own.
import { isObject, type JSONObject } from './json.ts'

/**
 * The claim at a dot path (`realm_access.roles`), or undefined. At each level the longest literal name wins: providers
 * that demand namespaced claims (`https://example.com/roles`) put dots into names.
 */
export function claimAt(claims: JSONObject, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const name = path.slice(0, dot)
    const inner = Object.hasOwn(claims, name) ? claims[name] : undefined
    const found = isObject(inner) ? claimAt(inner, path.slice(dot + 1)) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

// Done with once the token is verified: they say nothing about the person.
const spent = new Set(['nonce', 'at_hash', 'c_hash', 's_hash', 'exp', 'iat', 'nbf', 'aud', 'azp', 'jti'])
// What only the ID token may say: UserInfo speaks of the person, not of this login.
const reserved = new Set([...spent, 'iss', 'sub', 'sid', 'acr', 'amr', 'auth_time'])

export const withoutProtocol = (claims: JSONObject): JSONObject =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => !spent.has(name)))

/** Some send `null` for what they have nothing to say of (Core 5.3.2 asks them not to). */
export const isSaid = (claim: unknown): boolean => claim !== undefined && claim !== null

/** The ID token's claims, completed from UserInfo: what both have stays as the ID token says it. */
export function mergeUserInfo(idToken: JSONObject, userInfo: JSONObject): JSONObject {
  const extra = Object.entries(userInfo).filter(([name, value]) => {
    // A verified mark is worth something only for the address it was made for. That there is none is believed of any: the two may
    // differ in a letter's case.
    const isMark = name === 'email_verified' && (value === true || value === 'true')
    return isMark ? sameOrAbsent(idToken['email'], userInfo['email']) : !reserved.has(name)
  })
  return merged(idToken, Object.fromEntries(extra))
}

function merged(first: JSONObject, second: JSONObject): JSONObject {
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])]
  // fromEntries defines properties, so that a claim named `__proto__` stays a claim.
  return Object.fromEntries(
    names.map((name) => {
      const [mine, theirs] = [first, second].map((claims) => (Object.hasOwn(claims, name) ? claims[name] : undefined))
      if (!isSaid(mine)) return [name, theirs]
      return [name, isObject(mine) && isObject(theirs) ? merged(mine, theirs) : mine]
    }),
  )
}

const sameOrAbsent = (one: unknown, other: unknown): boolean =>
  one === undefined || other === undefined || one === other
