// The life of sessions: begun at a login, found at each request (find.ts), kept up (upkeep.ts), kept (shelf.ts), and ended on
// all replicas. Here the parts of this room are put together.
import { StoreUnavailable } from '../errors.ts'
import type { SharedTier } from '../cache/shared-tier.ts'
import type { Grant, Provider, RefreshGrant, Tokens } from '../oidc/provider.ts'
import type { Sealer } from '../sealing.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { seconds, type Clock, type Timer } from '../time.ts'
import { createChangeSignals } from './change-signals.ts'
import { createSessionCodec } from './codec.ts'
import { createCopies } from './copies.ts'
import { createFinder, type Finder } from './find.ts'
import { createLeases } from './lease.ts'
import { createNearSessions, presentsSecret, type NearLimits } from './near.ts'
import { createPasses } from './pass.ts'
import { createRefresher } from './refresh.ts'
import { createRevocations } from './revocations.ts'
import type { FullSession, Session } from './session.ts'
import { createShelf } from './shelf.ts'
import { newTicket, parseTicket, ticketValue } from './ticket.ts'
import { createSessionTimes, type Lifetimes } from './times.ts'
import { createUpkeep } from './upkeep.ts'

export type { Found } from './find.ts'

export interface Begun {
  /** The session cookie's value. */
  readonly ticket: string
  readonly session: Session
  /** The pass cookie's value; undefined when passes are off or the identity is too large for one. */
  readonly pass: string | undefined
}

export interface Sessions extends Finder {
  begin(grant: Grant): Promise<Begun>
  /**
   * Ends it everywhere. The tokens are returned for revocation at the provider; undefined when there was no such session, or
   * they cannot be had. `known`: what `find` answered for this very ticket. Throws StoreUnavailable for a ticket that nothing
   * but the store could prove.
   */
  end(ticket: string, known?: Session): Promise<FullSession | undefined>
  /** Throws StoreUnavailable. */
  tokens(ticket: string): Promise<Tokens | undefined>
  /** A new pass for a session that was found: for answers that reach the browser anyway. */
  passFor(session: Session, ticket: string): string | undefined
  readonly nearSize: number
  readonly nearBytes: number
}

export interface SessionsDeps {
  readonly tier: SharedTier
  readonly sealer: Sealer
  readonly passSealer: Sealer
  readonly provider: Provider
  /** Keeps of the claims what the configuration reads. */
  readonly claimsToKeep: (claims: Grant['claims']) => Grant['claims']
  readonly nearLimits: NearLimits
  readonly lifetimes: Lifetimes
  readonly clock: Clock
  readonly timer: Timer
  readonly random: () => number
  readonly randomBytes: (size: number) => Buffer
  readonly metrics: Pick<Metrics, 'cacheRequests' | 'sessions' | 'tokenRefreshes'>
  readonly logger: Logger
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { tier, provider, lifetimes, clock, timer, random, randomBytes, metrics, logger } = deps
  const { store, trust } = tier
  const shared = tier.mode !== 'memory'
  const count = (event: string) => metrics.sessions.with({ event })
  const codec = createSessionCodec(deps.sealer)
  const near = createNearSessions(deps.nearLimits, clock)
  const revocations = createRevocations(clock)
  const signals = createChangeSignals(timer)
  const times = createSessionTimes(lifetimes, clock)
  const { passMaxAgeMs, maxStaleMs } = lifetimes
  const passes =
    passMaxAgeMs === undefined ? undefined : createPasses({ sealer: deps.passSealer, clock, maxAgeMs: passMaxAgeMs })
  const copies = createCopies({ near, revocations, times, shared, clock, random })
  const shelf = createShelf({ tier, codec, near, revocations, copies, times, clock })
  const refresher = createRefresher({
    provider,
    leases: shared ? createLeases({ store, timer, randomBytes }) : undefined,
    metrics,
    logger,
    timer,
    // The call itself, and once more: its holder may have died and left the lease to run out.
    patienceMs: 2 * lifetimes.providerTimeoutMs + seconds(5),
    shelf: {
      readWhole: (ticket) => shelf.readWhole(ticket, true),
      replace: shelf.replace,
      revoke: (session) => shelf.revoke(session.id, session.expiresAt),
      renewed,
      changed: signals.next,
      keep: shelf.keepForLater,
    },
  })
  const ended = count('ended')
  const upkeep = createUpkeep({ near, copies, shelf, refresher, codec, times, trust, shared, ended, clock })
  const finder = createFinder({
    tier,
    near,
    copies,
    shelf,
    upkeep,
    passes,
    revocations,
    times,
    maxAgeMs: lifetimes.maxAgeMs,
    maxStaleMs,
    passHonoured: count('pass_honoured'),
    metrics,
    logger,
    clock,
  })

  function renewed(before: FullSession, grant: RefreshGrant): FullSession {
    const { session } = before
    return {
      session: {
        ...session,
        // A new ID token says all: a group that it does not name any more is gone.
        claims: grant.claims === undefined ? session.claims : deps.claimsToKeep(grant.claims),
        tokenExpiresAt: grant.expiresAt,
        refreshAt: times.refreshTime(clock(), grant.expiresAt),
        refreshable: grant.tokens.refreshToken !== undefined,
        generation: session.generation + 1,
      },
      tokens: grant.tokens,
    }
  }

  // --- what other replicas and the store's life tell us ---------------------------------------------------------------

  tier.onChange(({ what, id }) => {
    if (what === 'revoked') {
      revocations.mark(id, near.get(id)?.session.expiresAt ?? clock() + lifetimes.maxAgeMs)
      near.delete(id)
    } else {
      shelf.overtakeReads(id)
      const entry = near.get(id)
      if (entry !== undefined) {
        entry.outdated = true
        entry.attentionAt = 0
      }
    }
    signals.raise(id)
  })

  tier.onFlush(() => {
    for (const [id, entry] of Array.from(near.entries())) if (!entry.pending) near.delete(id)
  })

  tier.onRestart({
    restoreMarks: shelf.restoreMarks,
    async reseed() {
      const known = await shelf.reseed()
      if (known === 0) return
      logger.info({ event: 'sessions_reseeded', sessions: known }, 'live sessions written to the restarted store')
    },
  })

  return {
    near: finder.near,
    find: finder.find,

    async begin(grant) {
      const ticket = newTicket(randomBytes)
      const now = clock()
      const session: Session = {
        id: ticket.id,
        subject: String(grant.claims['sub']),
        issuer: String(grant.claims['iss']),
        providerSessionId: typeof grant.claims['sid'] === 'string' ? grant.claims['sid'] : undefined,
        claims: deps.claimsToKeep(grant.claims),
        createdAt: now,
        expiresAt: now + lifetimes.maxAgeMs,
        tokenExpiresAt: grant.expiresAt,
        refreshAt: times.refreshTime(now, grant.expiresAt),
        refreshable: grant.tokens.refreshToken !== undefined,
        generation: 1,
      }
      const isWritten = await shelf.create(ticket, { session, tokens: grant.tokens })
      count('created').value++
      return { ticket: ticketValue(ticket), session, pass: passes?.issue(session, ticket, !isWritten) }
    },

    async end(text, known) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      let full: FullSession | undefined
      let expiresAt = clock() + lifetimes.maxAgeMs
      const entry = near.get(ticket.id)
      const isOurs = entry !== undefined && presentsSecret(entry, ticket.secret)
      const isProven = isOurs || known !== undefined
      try {
        full = await shelf.readWhole(ticket)
        // An id alone, without its secret, ends nothing. A near copy is proof, too: the store may have lost its value
        // (evicted, damaged) while copies still answer; so is a pass, whose session the store may not have seen yet.
        if (full === undefined && !isProven) return undefined
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        if (entry !== undefined && !isOurs) return undefined
        // Made-up tickets, taken at their word in an outage, would end anybody's session by its id, and fill the journal
        // with marks that push out what it keeps for real sessions.
        if (!isProven) throw error
      }
      if (full === undefined && isOurs) full = shelf.open(entry.value, ticket)
      expiresAt = (full?.session ?? known)?.expiresAt ?? expiresAt
      await shelf.revoke(ticket.id, expiresAt)
      count('logged_out').value++
      return full
    },

    async tokens(text) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      const entry = near.get(ticket.id)
      if (entry?.outdated === false && presentsSecret(entry, ticket.secret)) {
        return codec.decodeTokens(entry.value, ticket)
      }
      return (await shelf.readWhole(ticket))?.tokens
    },

    passFor(session, text) {
      const ticket = parseTicket(text)
      return ticket === undefined ? undefined : passes?.issue(session, ticket, near.get(ticket.id)?.pending)
    },

    get nearSize() {
      return near.size
    },
    get nearBytes() {
      return near.bytes
    },
  }
}
