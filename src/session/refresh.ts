// One refresh per session, whoever asks: coalesced in this process, by a lease among replicas, written by compare-and-set.
// Rotating refresh tokens forgive nothing, so no call is ever repeated with a token that may have been used.
import {
  AnswerLost,
  ClientRejected,
  ProviderUnavailable,
  RefreshRejected,
  StoreUnavailable,
  type RefreshReason,
} from '../errors.ts'
import type { Provider } from '../oidc/provider.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { Leases } from '../cache/lease.ts'
import type { SessionReader } from './session-reader.ts'
import type { SessionWriter } from './session-writer.ts'
import type { NextStates } from './next-states.ts'
import type { Session, SessionWithTokens } from './session.ts'
import type { Ticket } from './ticket.ts'

export type RefreshOutcome =
  /** `full` is what every replica uses from now on, whoever refreshed it; its last state, where the provider refuses another. */
  | { readonly kind: 'refreshed'; readonly full: SessionWithTokens }
  | { readonly kind: 'ended'; readonly reason: RefreshReason | 'revoked' }
  /** Nothing was learned about the session: the provider or the store is at fault. */
  | { readonly kind: 'failed'; readonly fault: 'provider' | 'store' }

export interface Refresher {
  /** Never throws. Concurrent calls for one session share one outcome. */
  refresh(ticket: Ticket, known: Session): Promise<RefreshOutcome>
  /** Resolves once no refresh is under way, its writing included. */
  settled(): Promise<void>
}

export interface RefresherDeps {
  /** Of a session. */
  readonly providers: { of(id: string | undefined): Pick<Provider, 'refresh' | 'revoke'> }
  readonly reader: Pick<SessionReader, 'readLatest' | 'isNewerAwaited'>
  readonly writer: Pick<SessionWriter, 'replace' | 'keepForLater' | 'end'>
  /** The session after `before`, by what came of its refresh. */
  readonly next: NextStates
  /** Resolves when another replica changed the session, at the latest after `maxMs`. */
  readonly changed: (id: string, maxMs: number) => Promise<void>
  /** Undefined in memory mode: there is nobody to agree with. */
  readonly leases: Leases | undefined
  readonly metrics: Pick<Metrics, 'tokenRefreshes'>
  readonly logger: Logger
  readonly clock: Clock
  /** How long to wait, in all, for another replica's result. */
  readonly maxWaitMs: number
}

const storeFailed = (): RefreshOutcome => ({ kind: 'failed', fault: 'store' })

/** Word of a change normally wakes a waiter at once; this is for the message that got lost, and grows with the wait. */
const firstPollMs = 100
const longestPollMs = 1_000

const outcomes = ['refreshed', 'taken_over', 'overtaken', 'rejected', 'failed'] as const

export function createRefresher(deps: RefresherDeps): Refresher {
  const { providers, reader, writer, leases, metrics, logger } = deps
  const underWay = new Map<string, Promise<RefreshOutcome>>()
  fromZero(
    metrics.tokenRefreshes,
    outcomes.map((outcome) => ({ outcome })),
  )
  const count = (outcome: (typeof outcomes)[number]) => void metrics.tokenRefreshes.labels({ outcome }).value++

  async function takeTurn(ticket: Ticket, known: Session): Promise<RefreshOutcome> {
    if (leases === undefined) return callProvider(ticket, known)
    for (let waited = 0, pollMs = firstPollMs; waited <= deps.maxWaitMs; waited += pollMs) {
      if (waited >= longestPollMs) pollMs = longestPollMs
      const lease = await leases.acquire(ticket.id, holdMs(known))
      if (lease !== undefined) {
        let outcome: RefreshOutcome | undefined
        try {
          outcome = await callProvider(ticket, known)
          return outcome
        } finally {
          // A provider that hangs would otherwise be tried by one replica after the other, with everybody waiting.
          await (outcome?.kind === 'failed' && outcome.fault === 'provider' ? lease.fail() : lease.release())
        }
      }
      if (await leases.failedLately(ticket.id)) return { kind: 'failed', fault: 'provider' }
      await deps.changed(ticket.id, pollMs)
      const stored = await reader.readLatest(ticket)
      if (stored === 'ended') return { kind: 'ended', reason: 'revoked' }
      if (stored !== 'awaited' && isNews(stored.session, known)) return takenOver(stored)
    }
    return { kind: 'failed', fault: 'provider' }
  }

  /**
   * Should this process end during the call, the token may be spent: nobody repeats it while the old access token lives. Once that
   * has ended it has to be tried.
   */
  const holdMs = (known: Session) => known.tokenExpiresAt - deps.clock()

  /** Somebody's newer result, and still of use: one whose token has ended, too, is refreshed in its turn. */
  const isNews = (stored: Session, known: Session) =>
    stored.generation > known.generation && deps.clock() < stored.tokenExpiresAt

  function takenOver(full: SessionWithTokens): RefreshOutcome {
    count('taken_over')
    return { kind: 'refreshed', full }
  }

  async function callProvider(ticket: Ticket, known: Session): Promise<RefreshOutcome> {
    // Read under the lease: its last owner may have finished between our look and our turn.
    const before = await reader.readLatest(ticket)
    if (before === 'ended') return { kind: 'ended', reason: 'revoked' }
    if (before === 'awaited') return storeFailed()
    if (isNews(before.session, known)) return takenOver(before)
    if (reader.isNewerAwaited(ticket.id, before.session.generation)) return storeFailed()
    // Refused to another replica, and its token has ended since.
    if (!before.session.refreshable) return { kind: 'ended', reason: 'refresh_refused' }
    const { lostAnswers = 0 } = before.session
    if (lostAnswers > 0 && deps.clock() < before.session.refreshAt) return { kind: 'failed', fault: 'provider' }
    if (lostAnswers > 1) {
      return end(before.session, new RefreshRejected('refresh_lost', 'the answers of two refreshes were lost'))
    }
    let grant
    try {
      const { issuer, subject } = known
      grant = await providers
        .of(known.provider)
        .refresh(before.tokens, { issuer, subject, isHalfKnown: before.session.isHalfKnown })
    } catch (error) {
      if (error instanceof RefreshRejected) return rejected(ticket, before, error)
      if (!(error instanceof ProviderUnavailable)) throw error
      count('failed')
      const isLost = error instanceof AnswerLost
      const reason = isLost
        ? 'answer_lost'
        : error instanceof ClientRejected
          ? 'client_rejected'
          : 'provider_unavailable'
      // Once for the provider and not for each session: it tells of itself, with how many there were.
      logger.debug(
        { event: 'refresh_failed', reason, err: error },
        isLost
          ? 'the answer to a refresh was lost: not repeated before the token ends'
          : 'refresh failed, session kept',
      )
      // Its tokens stay; what changes is when they may be used again, on every replica.
      if (isLost) await writer.replace(ticket, before.session, deps.next.afterLostAnswer(before))
      return { kind: 'failed', fault: 'provider' }
    }
    return adopt(ticket, before, deps.next.renewed(before, grant))
  }

  async function adopt(ticket: Ticket, before: SessionWithTokens, next: SessionWithTokens): Promise<RefreshOutcome> {
    if (await writer.replace(ticket, before.session, next)) {
      count(next.session.refreshable ? 'refreshed' : 'rejected')
      return { kind: 'refreshed', full: next }
    }
    // Somebody wrote while we called. A logout wins: what we just got must not outlive it.
    const meanwhile = await reader.readLatest(ticket)
    count('overtaken')
    if (
      meanwhile === 'awaited' ||
      (meanwhile !== 'ended' && meanwhile.session.generation <= before.session.generation)
    ) {
      // The store lost it, or never had it: what we hold is all that is left of its tokens.
      writer.keepForLater(ticket, next)
      return { kind: 'refreshed', full: next }
    }
    if (meanwhile !== 'ended') return { kind: 'refreshed', full: meanwhile }
    await providers.of(before.session.provider).revoke(next.tokens)
    return { kind: 'ended', reason: 'revoked' }
  }

  async function rejected(ticket: Ticket, before: SessionWithTokens, error: RefreshRejected): Promise<RefreshOutcome> {
    const { session } = before
    // The token may have been refused because another replica used it: then its result is there, and is what counts.
    const stored = await reader.readLatest(ticket)
    if (typeof stored === 'object' && stored.session.generation > session.generation) return takenOver(stored)
    if (stored === 'awaited' || reader.isNewerAwaited(ticket.id, session.generation)) return storeFailed()
    const { reason } = error
    const isAboutToken = reason === 'invalid_grant' || reason === 'refresh_refused'
    if (!isAboutToken || deps.clock() >= session.tokenExpiresAt) return end(session, error)
    logger.warn({ event: 'refresh_refused', reason }, `a session ends with its access token: ${error.message}`)
    return adopt(ticket, before, deps.next.withoutRefresh(before))
  }

  async function end({ id }: Session, { reason, message }: RefreshRejected): Promise<RefreshOutcome> {
    count('rejected')
    logger.warn({ event: 'session_ended', reason }, `the provider ended a session: ${message}`)
    await writer.end(id)
    return { kind: 'ended', reason }
  }

  return {
    refresh(ticket, known) {
      const running = underWay.get(ticket.id)
      if (running !== undefined) return running
      const run = takeTurn(ticket, known)
        .catch((error: unknown): RefreshOutcome => {
          if (!(error instanceof StoreUnavailable)) {
            logger.error({ event: 'refresh_failed', reason: 'internal', err: error }, 'refresh failed, session kept')
          }
          return { kind: 'failed', fault: error instanceof StoreUnavailable ? 'store' : 'provider' }
        })
        .finally(() => underWay.delete(ticket.id))
      underWay.set(ticket.id, run)
      return run
    },

    async settled() {
      while (underWay.size > 0) await Promise.all(underWay.values())
    },
  }
}
