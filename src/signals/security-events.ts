// Security events that a transmitter pushes (RFC 8935): what follows from each for the sessions here. As with logout tokens they are
// acted on first and marked as used after that; one that comes again is received once more and changes nothing, since a transmitter
// that has not heard our answer has to repeat itself (RFC 8935 section 2).
import type { ReplayDetection } from '../cache/replay-detection.ts'
import type { CredentialChange } from '../config/config.ts'
import type { JSONObject } from '../oidc/json.ts'
import { longestLifeMs } from '../oidc/signal-token.ts'
import type { SecurityEventToken } from '../oidc/security-event-token.ts'
import type { Transmitter } from '../oidc/transmitter.ts'
import type { EndSelected, RefreshSelected, Selection } from '../session/selection.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Clock } from '../time.ts'
import { sessionRevoked, wantedBy } from './event-types.ts'
import type { Effect } from './signals.ts'
import { readSubject, type Subject } from './subject.ts'

export interface SecurityEvents {
  /** Throws SignalRejected, ProviderUnavailable or StoreUnavailable. */
  readonly apply: (token: string) => Promise<Effect>
  /** What the transmitter has to show before anything is read. Undefined: its signature is all. */
  readonly bearerToken: string | undefined
}

export interface SecurityEventsDeps {
  readonly transmitter: Pick<Transmitter, 'read'>
  readonly bearerToken: string | undefined
  /** The transmitter's. */
  readonly issuer: string
  /** Of the provider whose sessions are meant where nothing says it. */
  readonly providerIssuer: string
  /** Whether it is one of the providers. */
  readonly isProvider: (issuer: string) => boolean
  readonly endingChanges: readonly CredentialChange[]
  readonly endSelected: EndSelected
  readonly refreshSelected: RefreshSelected
  readonly used: ReplayDetection
  readonly disableReplayDetection: boolean
  readonly clockSkewMs: number
  /** No session is older. */
  readonly sessionMaxAgeMs: number
  readonly logger: Logger
  readonly clock: Clock
}

const noEffect: Effect = { sessions: 0, isKept: true }
const warningsPerMinute = 5

export function createSecurityEvents(deps: SecurityEventsDeps): SecurityEvents {
  const { transmitter, providerIssuer, isProvider, used, clock, clockSkewMs } = deps
  const mayTell = createLogQuota(warningsPerMinute, clock)

  async function applyEvent(token: SecurityEventToken, type: string, payload: JSONObject): Promise<Effect> {
    const wanted = wantedBy(type, payload, deps.endingChanges)
    if (wanted === 'nothing') return noEffect
    const at = happenedAt(token, payload, clockSkewMs)
    // Every session that it could mean is over by itself.
    if (at + deps.sessionMaxAgeMs + clockSkewMs <= clock()) return noEffect
    // In the event itself is where it was before the final version of the specification.
    const given = token.subject ?? payload['subject']
    const subject = readSubject(given, (issuer) => isProvider(issuer) || issuer === deps.issuer)
    if (subject.kind === 'elsewhere' || subject.kind === 'unreadable') {
      notApplied(subject.kind)
      return noEffect
    }
    const select = wanted === 'end' ? end : refresh
    const effects = await Promise.all(selections(subject, type, Math.floor(at / 1_000)).map(select))
    return together(effects)
  }

  async function end(selection: Selection): Promise<Effect> {
    const { ended, isKept } = await deps.endSelected(selection)
    return { sessions: ended, isKept }
  }

  async function refresh(selection: Selection): Promise<Effect> {
    const { selected, isKept } = await deps.refreshSelected(selection)
    return { sessions: selected, isKept }
  }

  function selections(named: Named, type: string, issuedAt: number): Selection[] {
    const said = named.kind === 'known' ? named.issuer : undefined
    const issuer = said !== undefined && isProvider(said) ? said : providerIssuer
    if (named.kind === 'opaque') {
      const person: Selection = { by: 'subject', issuer, subject: named.id, issuedAt }
      // A session, as in the examples of CAEP, or a person. Whichever it is not finds nobody.
      return type === sessionRevoked ? [person, { by: 'sid', issuer, sid: named.id, issuedAt }] : [person]
    }
    const { subject, sid } = named
    if (sid !== undefined) return [{ by: 'sid', issuer, sid, issuedAt, ...(subject !== undefined && { subject }) }]
    return subject === undefined ? [] : [{ by: 'subject', issuer, subject, issuedAt }]
  }

  function notApplied(reason: Exclude<Subject, Named>['kind']): void {
    if (!mayTell(reason)) return
    deps.logger.warn(
      { event: 'security_event_not_applied', reason },
      reason === 'elsewhere'
        ? 'an event of the transmitter is about somebody of another issuer than providerURL and sharedSignals.transmitter'
        : 'an event of the transmitter names nobody by sub or sid: let it send subjects of the format iss_sub',
    )
  }

  return {
    bearerToken: deps.bearerToken,
    async apply(text) {
      const token = await transmitter.read(text)
      const effect = together(
        await Promise.all(token.events.map(async ([type, payload]) => applyEvent(token, type, payload))),
      )
      // A mark that outlives this would guard nothing: what is repeated after a day ends what it ended then.
      if (effect.isKept && !deps.disableReplayDetection)
        await used.first('security_event', `${deps.issuer} ${token.tokenID}`, longestLifeMs + clockSkewMs)
      return effect
    },
  }
}

type Named = Extract<Subject, { kind: 'known' | 'opaque' }>

const together = (effects: readonly Effect[]): Effect => ({
  sessions: effects.reduce((sum, { sessions }) => sum + sessions, 0),
  isKept: effects.every(({ isKept }) => isKept),
})

/**
 * ms since the epoch: `event_timestamp` (CAEP 1.0 section 2; milliseconds in its drafts), else `toe`, else `iat`. An event can have come
 * late, and sessions that began after it are not meant. One that lies after the token that tells of it is no time.
 */
function happenedAt({ issuedAt, happenedAt }: SecurityEventToken, payload: JSONObject, clockSkewMs: number): number {
  const given = payload['event_timestamp']
  const stamp = typeof given === 'number' && given > 0 ? (given < 1e11 ? given * 1_000 : given) : undefined
  const at = stamp ?? happenedAt ?? issuedAt
  return at <= issuedAt + clockSkewMs ? at : issuedAt
}
