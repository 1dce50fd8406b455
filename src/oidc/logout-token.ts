// What a logout token must say (OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6). Pure: claims in, a refusal or whose
// sessions end out.
import { isObject } from './json.ts'
import { instant } from './numeric-date.ts'
import { checkAudience, checkIssuedAt, demand, longestLifeMs, tokenID, type Expected } from './signal-token.ts'
import type { Unverified } from './signature.ts'

export interface LogoutToken {
  readonly issuer: string
  readonly about: { readonly sid: string; readonly subject: string | undefined } | { readonly subject: string }
  readonly tokenID: string
  /** ms since the epoch, as the provider's clock has it; both. */
  readonly issuedAt: number
  readonly expiresAt: number
}

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'
const maxSubjectLength = 255
const maxSidLength = 1_024

/** Throws SignalRejected. */
export function checkLogoutToken({ type = 'JWT', claims }: Unverified, expected: Expected): LogoutToken {
  const { now, clockSkewMs } = expected
  // RFC 8725 section 3.11. Many providers give none, or the general one.
  demand(/^(application\/)?(logout\+)?jwt$/i.test(type), 'type', 'typ is that of another kind of token')
  const { events, sub, sid } = claims
  // What an ID token or a security event of another kind has never.
  const event = isObject(events) && Object.hasOwn(events, logoutEvent) ? events[logoutEvent] : undefined
  demand(isObject(event), 'events', `events has no object under ${logoutEvent}`)
  // An ID token must not pass for a logout token, nor the other way round.
  demand(!Object.hasOwn(claims, 'nonce'), 'nonce', 'it has a nonce, which a logout token must not')
  checkAudience(claims, expected.audiences)
  const issuedAt = checkIssuedAt(claims, expected)
  const end = instant(claims['exp'])
  demand(end !== undefined, 'expired', 'exp is missing or not a usable number')
  const expiresAt = Math.min(end, issuedAt + longestLifeMs)
  demand(now < expiresAt + clockSkewMs, 'expired', 'exp has passed')
  const id = tokenID(claims)
  demand(sub === undefined || isName(sub, maxSubjectLength), 'subject', 'sub is not a string of 1 to 255 characters')
  demand(sid === undefined || isName(sid, maxSidLength), 'subject', 'sid is not a string of 1 to 1024 characters')
  const about = sid === undefined ? (sub === undefined ? undefined : { subject: sub }) : { sid, subject: sub }
  demand(about !== undefined, 'subject', 'it has neither sub nor sid')
  return { issuer: String(claims['iss']), about, tokenID: id, issuedAt, expiresAt }
}

const isName = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= longest
