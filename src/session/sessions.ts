// The life of sessions: begun at a login, found at each request (lookup.ts), kept up (revalidation.ts), kept (session-store.ts),
// and ended on all replicas. Here the parts of this room are put together.
import { LoginRejected, StoreUnavailable } from '../errors.ts'
import { clockMarginMs, type SharedCache } from '../cache/shared-cache.ts'
import type { Grant, Provider, Tokens } from '../oidc/provider.ts'
import type { Runtime } from '../runtime.ts'
import type { Sealer } from '../sealing.ts'
import { seconds } from '../time.ts'
import { createChangeSignals } from './change-signals.ts'
import { createCoherenceCheck } from './coherence-check.ts'
import { createDirectory, type Listing, type Page, type SessionEntry } from './directory.ts'
import { createSessionCodec } from './codec.ts'
import { createLeases } from '../cache/lease.ts'
import { createSessionLifetimes, type Lifetimes } from './lifetimes.ts'
import { createLookup, type Lookup } from './lookup.ts'
import { createNearCache, presentsSecret, type NearLimits } from './near-cache.ts'
import { authenticationOf, createNextStates } from './next-states.ts'
import { createPasses, maxPassLength } from './pass.ts'
import { createRefresher } from './refresh.ts'
import { createRefreshNow, type RefreshNow } from './refresh-now.ts'
import { createRevalidation } from './revalidation.ts'
import { createSelections } from './selections.ts'
import type { EndSelected, Selection } from './selection.ts'
import type { Session, SessionWithTokens, WhereFrom } from './session.ts'
import { createSessionStore } from './session-store.ts'
import { createSweeps, parseSweep, type Taggers } from './sweeps.ts'
import { createTagged } from './tagged.ts'
import { newTicket, parseTicket, ticketValue } from './ticket.ts'
import { createSessionWatch, type SessionWatch } from './watch.ts'
import { createWithdrawn, watchSweeps } from './withdrawn.ts'

export interface NewSession {
  /** The session cookie's value. */
  readonly ticket: string
  readonly session: Session
  /** The pass cookie's value; undefined when passes are off or the identity is too large for one. */
  readonly pass: string | undefined
}

export interface Ended {
  /** With its tokens, for revocation at the provider; undefined where they cannot be had. */
  readonly full: SessionWithTokens | undefined
  /** The logout survives this process. False: only this process knows of it yet, and the person has to hear that. */
  readonly isKept: boolean
}

/** How a login came about. */
export interface LoginOrigin extends WhereFrom {
  /** When it was begun here (ms since the epoch). */
  readonly startedAt: number
  /** See Session. */
  readonly provider?: string | undefined
}

export interface Sessions extends Pick<Lookup, 'near' | 'find' | 'look'>, Pick<SessionWatch, 'watch'> {
  /** Throws LoginRejected where whose login it is was ended before it was complete. */
  begin(grant: Grant, origin?: LoginOrigin): Promise<NewSession>
  /** New tokens now, due or not. `known`: what `find` answered for this very ticket. Never throws. */
  refreshNow(ticket: string, known: Session): Promise<RefreshNow>
  /** ms since the epoch: the absolute end, or the access token's where that cannot be refreshed. */
  endOf(session: Session): number
  /**
   * Ends it everywhere. Undefined when there was no such session. `known`: what `find` answered for this very ticket; `passes`: what
   * the browser carries beside it, proof even where its session lies in nobody's store yet, but in a journal. Asked again for a
   * session that was ended here, it says whether that is kept by now. Throws StoreUnavailable for a ticket that nothing but the
   * store could prove.
   */
  end(ticket: string, known?: Session, passes?: readonly string[]): Promise<Ended | undefined>
  /**
   * All that are meant, everywhere; also those that nobody can list now, and those whose login is still under way. Never throws.
   */
  readonly endSelected: EndSelected
  /** One of those that were listed. False: nobody but this process knows it yet. */
  endListed(entry: SessionEntry): Promise<boolean>
  /** Who is logged in, of those that are meant: the first to end first. Throws StoreUnavailable. */
  list(selection: Exclude<Selection, { by: 'everybody' }> | 'all', page: Page): Promise<Listing>
  /** Undefined where no such session is stored, or it has ended. Throws StoreUnavailable. */
  listed(id: string): Promise<SessionEntry | undefined>
  /** Throws StoreUnavailable. */
  tokens(ticket: string): Promise<Tokens | undefined>
  /**
   * A new pass for a session that was found: for answers that reach the browser anyway. Undefined where nothing but the old pass
   * speaks for it, which must not live on by renewing itself.
   */
  passFor(session: Session, ticket: string): string | undefined
  /** The generation of the state that a genuine pass of this ticket tells; undefined for anything else. */
  generationOfPass(pass: string, ticket: string): number | undefined
  /** Resolves once no refresh is under way, its writing included. */
  settled(): Promise<void>
  readonly nearSize: number
  readonly nearBytes: number
}

export interface SessionsDeps {
  readonly cache: SharedCache
  readonly sealer: Sealer
  readonly passSealer: Sealer
  /** For what lists tell about sessions. */
  readonly aboutSealer: Sealer
  readonly taggers: Taggers
  /** By which name operators know whose session it is. */
  readonly userOf: (session: Session) => string
  /** The most sessions of one user: the oldest go. Undefined: no bound. */
  readonly maxPerUser?: number | undefined
  /** Characters that the browser's jar has left for a pass. */
  readonly passRoom?: number
  readonly providers: {
    of(id: string | undefined): Pick<Provider, 'refresh' | 'revoke'>
    has(id: string | undefined): boolean
  }
  /** Keeps of the claims what the configuration reads. */
  readonly claimsToKeep: (claims: Grant['claims']) => Grant['claims']
  readonly nearLimits: NearLimits
  readonly lifetimes: Lifetimes
  readonly runtime: Runtime
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { cache, providers, runtime } = deps
  const { clock, stopwatch, timer, randomBytes, metrics, logger } = runtime
  const { floors, store } = cache
  const shared = cache.mode !== 'memory'
  const count = (event: string) => metrics.sessions.labels({ event })
  const { maxAgeMs, maxStaleMs, passMaxAgeMs, providerTimeoutMs } = deps.lifetimes
  const { taggers, userOf } = deps
  const tagged = createTagged(taggers, userOf)
  const sweeps = createSweeps({ clock, lifeMs: maxAgeMs + clockMarginMs })
  // On most days nobody has been swept.
  const isSwept = (session: Session) => sweeps.size > 0 && sweeps.end(tagged(session))
  const withdrawn = createWithdrawn(floors, isSwept)
  const codec = createSessionCodec(deps.sealer, maxAgeMs, providers.has)
  const lifetimes = createSessionLifetimes(deps.lifetimes, clock)
  const near = createNearCache({
    limits: deps.nearLimits,
    lifetimes,
    isWithdrawn: withdrawn.is,
    tagsOf: (session) => tagged(session).tags.flatMap((tags) => Object.values(tags)),
    shared,
    runtime,
  })
  const signals = createChangeSignals(timer)
  const passes =
    passMaxAgeMs === undefined
      ? undefined
      : createPasses({
          isOurs: providers.has,
          sealer: deps.passSealer,
          clock,
          maxAgeMs: passMaxAgeMs,
          sessionMaxAgeMs: maxAgeMs,
          maxLength: Math.min(deps.passRoom ?? maxPassLength, maxPassLength),
        })
  const directory = createDirectory({
    cache,
    sealer: deps.aboutSealer,
    taggers,
    userOf,
    lifetimes,
    clock,
  })
  const { reader, writer, writeBack } = createSessionStore({
    cache,
    codec,
    near,
    lifetimes,
    withdrawn,
    list: directory.enter,
    clock,
    stopwatch,
  })
  const selections = createSelections({
    cache,
    taggers,
    sweeps,
    directory,
    near,
    maxPerUser: deps.maxPerUser,
    loggedOut: count('logged_out'),
    clock,
  })
  const refresher = createRefresher({
    providers,
    reader,
    writer,
    next: createNextStates({ claimsToKeep: deps.claimsToKeep, lifetimes, maxStaleMs, clock }),
    changed: signals.next,
    leases: shared ? createLeases({ store, timer, randomBytes }) : undefined,
    metrics,
    logger,
    clock,
    // The call itself, and once more: its holder may have died and left the lease to run out.
    maxWaitMs: 2 * providerTimeoutMs + seconds(5),
  })
  const revalidation = createRevalidation({
    near,
    reader,
    writer,
    refresher,
    lifetimes,
    cache,
    seen: directory.seen,
    shared,
    ended: count('ended'),
    waitMs: providerTimeoutMs,
    clock,
    stopwatch,
    timer,
  })
  const lookup = createLookup({
    cache,
    near,
    reader,
    revalidation,
    changed: signals.next,
    passes,
    lifetimes,
    maxStaleMs,
    passMaxAgeMs,
    withdrawn,
    passHonoured: count('pass_honoured'),
    runtime,
  })
  const watch = createSessionWatch({ cache, near, withdrawn, lookup, lifetimes, clock, stopwatch, timer })
  const refreshNow = createRefreshNow({ near, revalidation, outage: cache.outage, clock })
  const coherenceCheck = createCoherenceCheck({ near, store, checked: metrics.coherenceChecked })

  // --- what other replicas and the store's life tell us ---------------------------------------------------------------

  function heard(id: string): void {
    reader.overtakeReads(id)
    signals.raise(id)
    watch.stir(id)
  }

  watchSweeps({ floors, sweeps, isSwept, near, onEnded: heard })

  floors.onRaise(({ id, floor }) => {
    near.deleteBelow(id, floor)
    heard(id)
    // What it ends need not be near to be open.
    if (parseSweep(id) !== undefined) watch.stirEnded()
  })

  cache.setNearCopies({
    changed(id, generation) {
      near.changed(id, generation)
      heard(id)
    },
    unconfirmAll: near.unconfirmAll,
    offerAgain: writeBack.offerAgain,
    async reseed(isProven) {
      const { written, isComplete } = await writeBack.reseed(isProven)
      if (isComplete || written > 0) {
        logger.info({ event: 'sessions_reseeded', sessions: written }, 'live sessions were written back to Redis')
      }
      return isComplete
    },
    dropUnproven: near.deleteUnproven,
    compareSome: coherenceCheck,
  })

  return {
    near: lookup.near,
    find: lookup.find,
    watch: watch.watch,
    look: lookup.look,
    refreshNow,
    endOf: lifetimes.endOf,

    async begin(grant, origin) {
      const ticket = newTicket(randomBytes)
      const now = clock()
      const login: Session = {
        id: ticket.id,
        subject: String(grant.claims['sub']),
        issuer: String(grant.claims['iss']),
        ...(origin?.provider !== undefined && { provider: origin.provider }),
        providerSessionId: typeof grant.claims['sid'] === 'string' ? grant.claims['sid'] : undefined,
        claims: deps.claimsToKeep(grant.claims),
        ...authenticationOf(undefined, grant.authentication),
        createdAt: now,
        issuedAt: grant.idTokenIssuedAt,
        expiresAt: now + maxAgeMs,
        tokenExpiresAt: grant.expiresAt,
        refreshAt: lifetimes.refreshTime(now, grant.expiresAt),
        refreshable: grant.tokens.refreshToken !== undefined,
        ...(grant.isHalfKnown === true && { isHalfKnown: true }),
        generation: 1,
        ...(origin?.network !== undefined && { network: origin.network }),
        ...(origin?.browser !== undefined && { browser: origin.browser }),
      }
      const after = sweeps.before(tagged(login), origin?.startedAt ?? now)
      if (after === undefined) {
        throw new LoginRejected('ended_meanwhile', 'whose login it is was logged out before it was complete')
      }
      const session = Object.keys(after).length === 0 ? login : { ...login, after }
      const isWritten = await writer.create(ticket, { session, tokens: grant.tokens })
      count('created').value++
      await selections.keepWithinMax(userOf(session), session.id)
      return { ticket: ticketValue(ticket), session, pass: passes?.issue(session, ticket, !isWritten) }
    },

    async end(text, found, carried = []) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      const known = found ?? passes?.open(carried, ticket)
      if (floors.isEnded(ticket.id)) {
        return { full: undefined, isKept: await writer.end(ticket.id) }
      }
      let full: SessionWithTokens | undefined
      const entry = near.get(ticket.id)
      const isOurs = entry !== undefined && presentsSecret(entry, ticket.secret)
      const isProven = isOurs || known !== undefined
      try {
        full = await reader.readWhole(ticket)
        // An id alone, without its secret, ends nothing. A near copy is proof, too: the store may have lost its value
        // (evicted, damaged) while copies still answer; so is a pass, whose session the store may not have seen yet.
        if (full === undefined && !isProven) {
          // "Done" would be a lie: it may still be on its way into the store.
          if (cache.outage.missProvesNothing()) throw new StoreUnavailable('a miss proves nothing now')
          return undefined
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        if (entry !== undefined && !isOurs) return undefined
        // Made-up tickets, taken at their word in an outage, would end anybody's session by its id, and fill every replica's
        // memory with floors.
        if (!isProven) throw error
      }
      if (full === undefined && isOurs) full = reader.open(entry.value, ticket)
      const isKept = await writer.end(ticket.id)
      count('logged_out').value++
      const ended = full?.session ?? known
      if (ended !== undefined) void directory.leave(ended)
      return { full, isKept }
    },

    endSelected: selections.end,
    endListed: selections.endListed,
    list: selections.list,
    listed: selections.listed,

    async tokens(text) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      const entry = near.get(ticket.id)
      if (entry?.isConfirmed === true && presentsSecret(entry, ticket.secret)) {
        return codec.decodeTokens(entry.value, ticket)
      }
      return (await reader.readWhole(ticket))?.tokens
    },

    passFor(session, text) {
      const ticket = parseTicket(text)
      const entry = ticket && near.get(ticket.id)
      if (ticket === undefined || entry?.session !== session || !presentsSecret(entry, ticket.secret)) return undefined
      return passes?.issue(session, ticket, entry.pending !== undefined)
    },

    generationOfPass(pass, text) {
      const ticket = parseTicket(text)
      return ticket && passes?.open([pass], ticket)?.generation
    },

    settled: refresher.settled,

    get nearSize() {
      return near.size
    },
    get nearBytes() {
      return near.bytes
    },
  }
}
