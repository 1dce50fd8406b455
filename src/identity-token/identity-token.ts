// A signed word for applications about who asks: what the identity headers say, with a signature that another way to the
// application cannot forge. This room owns its keys, its claims and how long it is good for; it leaves to others for whom it is
// issued (http/, proxy/) and who may pass.
import { sign } from 'node:crypto'
import { provenNames } from '../access/identity-headers.ts'
import { claimText, memberships } from '../access/claims.ts'
import { isUnverified } from '../access/requirement.ts'
import type { AccessConfig } from '../config/config.ts'
import type { Identity } from '../access/access.ts'
import { seconds, type Clock } from '../time.ts'
import type { SigningKeys } from './signing-keys.ts'

export const identityTokenHeader = 'x-foregate-jwt'

export interface IdentityTokens {
  /** A JWT (RFC 7519) of ES256 for this audience, good for 30 to 60 s from now on: the same one for up to 30 s. */
  tokenFor(identity: Identity, audience: string): string
  /** The JWK Set (RFC 7517 section 5) by which it is verified, as JSON. */
  jwks(): string
}

const lifeMs = seconds(60)
const reusedForMs = seconds(30)
/** A person opens a few applications at a time; more than these are signed anew. */
const maxAudiences = 16
/** As in the groups header: proxies' buffers for a whole answer are 4 or 8 KB, and base64 adds a third. */
const maxGroupsLength = 4_096

interface Issued {
  readonly token: string
  /** ms since the epoch. */
  readonly reusedUntil: number
}

export function createIdentityTokens(deps: {
  issuer: string
  access: Pick<AccessConfig, 'userIdentifierClaim' | 'groupClaimName'>
  keys: SigningKeys
  clock: Clock
}): IdentityTokens {
  const { issuer, access, keys, clock } = deps
  const issuedOf = new WeakMap<Identity, Map<string, Issued>>()

  function claimsOf(identity: Identity): object {
    const { email, preferredUsername, user } = provenNames(identity, access.userIdentifierClaim)
    const name = claimText(identity.claims, 'name')
    return {
      sub: identity.subject,
      // `sub` is unique at its provider only.
      idp: identity.issuer,
      user,
      ...(email !== '' && { email, email_verified: !isUnverified(identity.claims) }),
      ...(preferredUsername !== '' && { preferred_username: preferredUsername }),
      ...(name !== '' && { name }),
      groups: fitting(memberships(identity.claims, access.groupClaimName)),
    }
  }

  function issue(identity: Identity, audience: string, now: number): string {
    const { privateKey, publicJWK } = keys.current()
    const issuedAt = Math.floor(now / 1_000)
    const header = { alg: 'ES256', typ: 'JWT', kid: publicJWK.kid }
    const payload = {
      iss: issuer,
      aud: audience,
      iat: issuedAt,
      nbf: issuedAt,
      exp: issuedAt + lifeMs / 1_000,
      ...claimsOf(identity),
    }
    const signed = `${encoded(header)}.${encoded(payload)}`
    // RFC 7518 section 3.4: R and S one after the other, not in DER.
    const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return `${signed}.${signature.toString('base64url')}`
  }

  return {
    tokenFor(identity, audience) {
      const now = clock()
      let issued = issuedOf.get(identity)
      if (issued === undefined) issuedOf.set(identity, (issued = new Map()))
      const known = issued.get(audience)
      // A clock that was set back would make it one of the future.
      if (known !== undefined && now < known.reusedUntil && now >= known.reusedUntil - reusedForMs) return known.token
      if (issued.size >= maxAudiences) issued.clear()
      const token = issue(identity, audience, now)
      issued.set(audience, { token, reusedUntil: now + reusedForMs })
      return token
    },
    jwks: () => JSON.stringify({ keys: keys.published() }),
  }
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

/** Whole groups, as many as fit. */
function fitting(groups: readonly string[]): readonly string[] {
  let length = 0
  const end = groups.findIndex((group) => (length += Buffer.byteLength(group) + 3) > maxGroupsLength)
  return end < 0 ? groups : groups.slice(0, end)
}
