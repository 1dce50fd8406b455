// What a security event token must say (RFC 8417 section 2.2; Shared Signals Framework 1.0 section 4.1). Pure: claims in, a refusal or
// events out. What they mean is for signals/.
import { isObject, type JSONObject } from './json.ts'
import { instant } from './numeric-date.ts'
import { checkAudience, checkIssuedAt, demand, tokenID, type Expected } from './signal-token.ts'
import type { Unverified } from './signature.ts'

export interface SecurityEventToken {
  readonly tokenID: string
  /** ms since the epoch, as the transmitter's clock has it. */
  readonly issuedAt: number
  /** `toe`: when it happened, likewise. */
  readonly happenedAt: number | undefined
  /** `sub_id` (RFC 9493), as it came. */
  readonly subject: unknown
  /** By the URI of their type. */
  readonly events: readonly (readonly [type: string, payload: JSONObject])[]
}

/** Aspects of one event (RFC 8417 section 2), and in practice one. */
const maxEvents = 16

/** Throws SignalRejected. */
export function checkSecurityEventToken({ type, claims }: Unverified, expected: Expected): SecurityEventToken {
  // Its type is what tells it from every other token of the same issuer.
  demand(/^(application\/)?secevent\+jwt$/i.test(type ?? ''), 'type', 'typ is not secevent+jwt')
  checkAudience(claims, expected.audiences)
  const issuedAt = checkIssuedAt(claims, expected)
  if (claims['exp'] !== undefined) {
    const end = instant(claims['exp'])
    demand(end !== undefined && expected.now < end + expected.clockSkewMs, 'expired', 'exp has passed or is no number')
  }
  const id = tokenID(claims)
  const { events } = claims
  demand(isObject(events), 'events', 'events is missing or no object')
  const found = Object.entries(events)
  demand(found.length > 0 && found.length <= maxEvents, 'events', `events has not 1 to ${maxEvents} members`)
  const read = found.map(([name, payload]) => {
    demand(isObject(payload), 'events', 'a member of events is no object')
    return [name, payload] as const
  })
  return {
    tokenID: id,
    issuedAt,
    happenedAt: instant(claims['toe']),
    subject: claims['sub_id'],
    events: read,
  }
}
