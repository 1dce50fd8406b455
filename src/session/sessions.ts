// The life of sessions: begun at a login, found at each request, refreshed, ended on all replicas. What happens while the
// shared store is away is decided here and in `stand-in.ts`, nowhere else: known sessions go on, nobody is logged out.
import { ProviderUnavailable, StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { SharedTier } from '../cache/shared-tier.ts'
import type { Key } from '../cache/store.ts'
import type { Grant, Provider, RefreshGrant, Tokens } from '../oidc/provider.ts'
import type { Sealer } from '../sealing.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { seconds, type Clock, type Timer } from '../time.ts'
import { createChangeSignals } from './change-signals.ts'
import { createSessionCodec, headBytes, identityReadBytes, readHead } from './codec.ts'
import { createLeases } from './lease.ts'
import { createNearSessions, presentsSecret, type NearLimits, type NearSession } from './near.ts'
import { createPasses } from './pass.ts'
import { createRefresher, type RefreshOutcome } from './refresh.ts'
import { createRevocations } from './revocations.ts'
import type { FullSession, Session } from './session.ts'
import { newTicket, parseTicket, ticketValue, type Ticket } from './ticket.ts'

export type Found =
  | { readonly kind: 'found'; readonly session: Session; readonly from: 'near' | 'shared' | 'stale' | 'pass' }
  | { readonly kind: 'absent'; readonly reason: 'malformed' | 'unknown' | 'expired' | 'revoked' | 'ended' }

export interface Begun {
  /** The session cookie's value. */
  readonly ticket: string
  readonly session: Session
  /** The pass cookie's value; undefined when passes are off or the identity is too large for one. */
  readonly pass: string | undefined
}

export interface Sessions {
  /** The session, if this process may answer for it without asking anybody. Synchronous: the hot path. */
  near(ticket: string): Session | undefined
  /** Throws StoreUnavailable or ProviderUnavailable when it cannot be said: never a reason to log anybody out. */
  find(ticket: string, pass: string | undefined): Promise<Found>
  begin(grant: Grant): Promise<Begun>
  /** Ends it everywhere. The tokens are returned for revocation at the provider; undefined when there was no such session. */
  end(ticket: string): Promise<FullSession | undefined>
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
  readonly lifetimes: {
    readonly maxAgeMs: number
    readonly idleTimeoutMs: number | undefined
    readonly refreshGraceMs: number
    readonly maxStaleMs: number
    /** Undefined: no passes. */
    readonly passMaxAgeMs: number | undefined
    readonly providerTimeoutMs: number
  }
  readonly clock: Clock
  readonly timer: Timer
  readonly random: () => number
  readonly randomBytes: (size: number) => Buffer
  readonly metrics: Pick<Metrics, 'cacheRequests' | 'sessions' | 'tokenRefreshes'>
  readonly logger: Logger
}

/** A near copy older than this is confirmed in the background; twice as old, it is not used unconfirmed (SPEC 6). */
const revalidateAfterMs = seconds(30)
const trustForMs = 2 * revalidateAfterMs
const maxJitterMs = seconds(1)
const firstBackoffMs = seconds(1)
const maxBackoffMs = seconds(60)

const sessionKey = (id: string): Key => ({ kind: 'session', id })
const revokedKey = (id: string): Key => ({ kind: 'revoked', id })
const markValue = Buffer.from('1')

export function createSessions(deps: SessionsDeps): Sessions {
  const { tier, provider, lifetimes, clock, timer, random, randomBytes, metrics, logger } = deps
  const { store, trust, journal } = tier
  const codec = createSessionCodec(deps.sealer)
  const near = createNearSessions(deps.nearLimits, clock)
  const revocations = createRevocations(clock)
  const signals = createChangeSignals(timer)
  const passes =
    lifetimes.passMaxAgeMs === undefined
      ? undefined
      : createPasses({ sealer: deps.passSealer, clock, maxAgeMs: lifetimes.passMaxAgeMs })
  const leases = tier.mode === 'memory' ? undefined : createLeases({ store, timer, randomBytes })
  const shared = tier.mode !== 'memory'
  const { idleTimeoutMs } = lifetimes
  // How exactly idleness is kept: a touch per request would be a write per request.
  const idleGrainMs = idleTimeoutMs === undefined ? 0 : Math.min(seconds(10), Math.ceil(idleTimeoutMs / 50))

  const cacheCount = (t: 'l1' | 'l2', result: 'hit' | 'miss' | 'stale' | 'error') =>
    metrics.cacheRequests.with({ kind: 'session', tier: t, result })
  const nearHits = cacheCount('l1', 'hit')
  const nearMisses = cacheCount('l1', 'miss')
  const staleHits = cacheCount('l1', 'stale')
  const sharedTierName = shared ? 'l2' : 'l1'
  const sharedHits = cacheCount(sharedTierName, 'hit')
  const sharedMisses = cacheCount(sharedTierName, 'miss')
  const sharedErrors = cacheCount(sharedTierName, 'error')
  const event = (name: string) => void metrics.sessions.with({ event: name }).value++

  const refresher = createRefresher({
    provider,
    leases,
    metrics,
    logger,
    timer,
    // The call itself, and once more: its holder may have died and left the lease to run out.
    patienceMs: 2 * lifetimes.providerTimeoutMs + seconds(5),
    shelf: {
      readWhole: (ticket) => readWhole(ticket, true),
      replace: (ticket, before, next) => replace(ticket, before, next),
      revoke: (session) => revoke(session.id, session.expiresAt),
      renewed,
      changed: signals.next,
      keep: keepForLater,
    },
  })

  // --- how long things live ---------------------------------------------------------------------------------------

  const endOf = (session: Session) =>
    session.refreshable ? session.expiresAt : Math.min(session.expiresAt, session.tokenExpiresAt)

  function storedTtl(session: Session): number {
    const rest = endOf(session) - clock()
    const idle = idleTimeoutMs === undefined ? rest : Math.min(rest, idleTimeoutMs + idleGrainMs)
    return Math.max(1, Math.ceil(idle))
  }

  /** A grace as long as the token's whole life would mean a refresh per request: then half its life counts. */
  function refreshTime(obtainedAt: number, tokenExpiresAt: number): number {
    const life = tokenExpiresAt - obtainedAt
    return tokenExpiresAt - (lifetimes.refreshGraceMs < life ? lifetimes.refreshGraceMs : life / 2)
  }

  function renewed(before: FullSession, grant: RefreshGrant): FullSession {
    const { session } = before
    return {
      session: {
        ...session,
        // A new ID token says all: a group that it does not name any more is gone.
        claims: grant.claims === undefined ? session.claims : deps.claimsToKeep(grant.claims),
        tokenExpiresAt: grant.expiresAt,
        refreshAt: refreshTime(clock(), grant.expiresAt),
        refreshable: grant.tokens.refreshToken !== undefined,
        generation: session.generation + 1,
      },
      tokens: grant.tokens,
    }
  }

  // --- near copies --------------------------------------------------------------------------------------------------

  /** `touchedAt`: when the stored value was last given its whole idle time, as far as this process knows. */
  function adopt(
    ticket: Ticket,
    session: Session,
    value: Buffer,
    {
      whole = true,
      pending = false,
      touchedAt = clock(),
    }: { whole?: boolean; pending?: boolean; touchedAt?: number } = {},
  ): NearSession {
    const now = clock()
    const previous = near.get(ticket.id)
    const entry: NearSession = {
      session,
      secret: ticket.secret,
      value,
      whole,
      validatedAt: now,
      attentionAt: 0,
      refreshAt: session.refreshAt + random() * maxJitterMs,
      refreshFailures: 0,
      lastSeenAt: now,
      touchedAt: previous?.touchedAt ?? touchedAt,
      outdated: false,
      pending,
    }
    entry.attentionAt = nextAttention(entry)
    // A read or a refresh may have been under way when the session was ended: its answer must not bring it back.
    if (!revocations.has(ticket.id)) near.set(ticket.id, entry)
    return entry
  }

  function nextAttention(entry: NearSession): number {
    const { session } = entry
    // The token's end also while its refresh is under way or put off: from then on an answer has to wait, or is a stale one.
    let at = Math.min(session.expiresAt, session.tokenExpiresAt)
    if (session.refreshable) at = Math.min(at, entry.refreshAt)
    if (shared) at = Math.min(at, entry.validatedAt + revalidateAfterMs)
    if (idleTimeoutMs !== undefined) at = Math.min(at, entry.touchedAt + idleGrainMs, entry.lastSeenAt + idleTimeoutMs)
    return at
  }

  /** What is due for an entry, started in the background. False: it must not answer before somebody was asked. */
  function attend(entry: NearSession, ticket: string, now: number): boolean {
    const { session } = entry
    if (entry.outdated || now >= session.expiresAt) return false
    if (idleTimeoutMs !== undefined && now - entry.lastSeenAt >= idleTimeoutMs) return false
    if (shared && now - entry.validatedAt >= trustForMs) return false
    if (now >= session.tokenExpiresAt) return false
    background(entry, ticket, now)
    entry.attentionAt = nextAttention(entry)
    return true
  }

  function background(entry: NearSession, ticketText: string, now: number): void {
    const { session } = entry
    const ticket: Ticket = { id: session.id, secret: ticketText.slice(session.id.length) }
    if (session.refreshable && now >= entry.refreshAt && trust.awaySince === undefined) {
      entry.refreshAt = now + maxBackoffMs
      void refreshed(ticket, entry)
    }
    if (shared && now - entry.validatedAt >= revalidateAfterMs) void revalidate(ticket)
    if (idleTimeoutMs !== undefined && now - entry.touchedAt >= idleGrainMs) touch(entry, now)
  }

  function touch(entry: NearSession, now: number): void {
    entry.touchedAt = now
    const { id } = entry.session
    store.touch(sessionKey(id), storedTtl(entry.session)).then(
      (there) => {
        if (!there && !entry.pending) near.delete(id)
      },
      () => undefined,
    )
  }

  async function revalidate(ticket: Ticket): Promise<void> {
    try {
      const value = await read(ticket.id, identityReadBytes)
      if (value !== undefined) await confirm(ticket, value, false)
      else if (clock() >= trust.settlingUntil && near.get(ticket.id)?.pending !== true) near.delete(ticket.id)
    } catch {
      // Not confirmed: the entry's own age decides how long it may go on answering.
    }
  }

  function nearSession(text: string): Session | undefined {
    const now = clock()
    if (now >= trust.until) return undefined
    const entry = near.presenting(text)
    if (entry === undefined) return undefined
    if (now >= entry.attentionAt && !attend(entry, text, now)) return undefined
    entry.lastSeenAt = now
    nearHits.value++
    return entry.session
  }

  // --- the shared store -----------------------------------------------------------------------------------------------

  interface Reading {
    value: Promise<Buffer | undefined>
    overtaken: boolean
  }
  const reads = new Map<string, Reading>()
  const readName = (id: string, head: number | undefined) => (head === undefined ? id : `${id} ${head}`)

  /** One read per key and process at a time, however many wait for it. */
  function read(id: string, head?: number): Promise<Buffer | undefined> {
    const name = readName(id, head)
    const running = reads.get(name)
    if (running !== undefined) return running.value
    const reading: Reading = { value: Promise.resolve(undefined), overtaken: false }
    reading.value = store
      .get(sessionKey(id), head)
      .finally(() => {
        if (reads.get(name) === reading) reads.delete(name)
      })
      .then((value) => (reading.overtaken ? read(id, head) : value))
    reads.set(name, reading)
    return reading.value
  }

  /** Notes come over another connection than answers: the answer under way may be from before the change. */
  function overtakeReads(id: string): void {
    for (const name of [readName(id, undefined), readName(id, identityReadBytes)]) {
      const reading = reads.get(name)
      if (reading === undefined) continue
      reading.overtaken = true
      reads.delete(name)
    }
  }

  /** `fresh`: by a read of its own. One that was under way before a lease was ours may show what its last owner replaced. */
  async function readWhole(ticket: Ticket, fresh = false): Promise<FullSession | undefined> {
    if (revocations.has(ticket.id)) return undefined
    let value
    try {
      value = await (fresh ? store.get(sessionKey(ticket.id)) : read(ticket.id))
    } catch (error) {
      if (error instanceof StoreValueRejected) return undefined
      throw error
    }
    if (value === undefined) {
      const entry = near.get(ticket.id)
      if (entry === undefined || !entry.pending || !presentsSecret(entry, ticket.secret)) return undefined
      value = entry.value
    }
    return open(value, ticket)
  }

  function open(value: Buffer, ticket: Ticket): FullSession | undefined {
    const session = codec.decode(value, ticket)
    const tokens = codec.decodeTokens(value, ticket)
    return session === undefined || session === 'short' || tokens === undefined ? undefined : { session, tokens }
  }

  /**
   * The near copy that agrees with what the store holds; undefined when the stored value is not usable. `whole`: `value` is
   * not just its beginning. Throws StoreUnavailable when more had to be read.
   */
  async function confirm(ticket: Ticket, value: Buffer, whole: boolean): Promise<NearSession | undefined> {
    const entry = near.get(ticket.id)
    if (entry !== undefined && presentsSecret(entry, ticket.secret)) {
      if (startsAlike(entry.value, value)) {
        entry.validatedAt = clock()
        entry.outdated = false
        entry.pending = false
        entry.attentionAt = nextAttention(entry)
        return entry
      }
      // A failover can lose the last write: then ours is the newer state, and only ours has the rotated refresh token.
      const stored = generationOf(value)
      if (entry.whole && !entry.outdated && stored !== undefined && entry.session.generation > stored) {
        store
          .replace(sessionKey(ticket.id), entry.value, storedTtl(entry.session), value.subarray(0, headBytes))
          .catch(() => false)
        return entry
      }
    }
    // It changed: a copy without its tokens could not be written again after a restart of the store.
    const all = whole ? value : await read(ticket.id)
    if (all === undefined) return undefined
    const decoded = codec.decode(all, ticket)
    if (decoded === undefined || decoded === 'short') return undefined
    // Read, not written: how much of its idle time is left only the store knows, so the next request touches it.
    return adopt(ticket, decoded, all, { touchedAt: 0 })
  }

  async function replace(ticket: Ticket, before: Session, next: FullSession): Promise<boolean> {
    const value = codec.encode(next, ticket)
    const expected = Buffer.alloc(5)
    expected.writeUInt8(value[0] ?? 0, 0)
    expected.writeUInt32BE(before.generation, 1)
    const note = tier.note({ what: 'written', id: ticket.id })
    const written = await store.replace(sessionKey(ticket.id), value, storedTtl(next.session), expected, note)
    if (written) adopt(ticket, next.session, value)
    return written
  }

  function keepForLater(ticket: Ticket, before: Session, next: FullSession): void {
    const value = codec.encode(next, ticket)
    adopt(ticket, next.session, value, { pending: true })
    journal.add({
      name: `session:${ticket.id}`,
      revocation: false,
      expiresAt: endOf(next.session),
      write: async () => {
        if (revocations.has(ticket.id) || (await replace(ticket, before, next))) return
        // Its login may have been missed as well: then there is nothing to replace yet.
        await store.seed(sessionKey(ticket.id), value, storedTtl(next.session), revokedKey(ticket.id))
        const entry = near.get(ticket.id)
        if (entry !== undefined) entry.pending = false
      },
    })
  }

  async function revoke(id: string, expiresAt: number): Promise<void> {
    // Here first: whatever the store does, this replica has stopped serving it.
    revocations.mark(id, expiresAt)
    near.delete(id)
    const write = async () => {
      const ttlMs = Math.max(1, Math.ceil(expiresAt - clock()))
      await store.revoke(sessionKey(id), revokedKey(id), markValue, ttlMs, tier.note({ what: 'revoked', id }))
    }
    try {
      await write()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      journal.add({ name: `revoked:${id}`, revocation: true, expiresAt, write })
    }
  }

  // --- finding ------------------------------------------------------------------------------------------------------

  async function find(text: string, pass: string | undefined): Promise<Found> {
    const ticket = parseTicket(text)
    if (ticket === undefined) return { kind: 'absent', reason: 'malformed' }
    if (revocations.has(ticket.id)) return { kind: 'absent', reason: 'revoked' }
    if (shared) nearMisses.value++
    if (trust.recovering) {
      // A Redis that just came back has enough to do: not one read per request until it knows again what it lost.
      const known = standIn(ticket, pass, undefined)
      if (known.kind === 'found') return known
    }
    let value
    // With a copy at hand the first kilobyte tells whether it still holds; without one, all of it is fetched once.
    const head = tier.mode === 'redis' && near.get(ticket.id)?.outdated === false ? identityReadBytes : undefined
    try {
      value = await read(ticket.id, head)
    } catch (error) {
      sharedErrors.value++
      if (error instanceof StoreUnavailable) return standIn(ticket, pass, error)
      if (error instanceof StoreValueRejected) return unusable(ticket, error)
      throw error
    }
    if (value === undefined) {
      sharedMisses.value++
      return missing(ticket, pass)
    }
    let entry
    try {
      entry = await confirm(ticket, value, head === undefined || value.length < head)
    } catch (error) {
      sharedErrors.value++
      if (error instanceof StoreUnavailable) return standIn(ticket, pass, error)
      if (error instanceof StoreValueRejected) return unusable(ticket, error)
      throw error
    }
    if (entry === undefined) return unusable(ticket, undefined)
    sharedHits.value++
    // It may have been ended while the answer was on its way.
    if (revocations.has(ticket.id)) {
      near.delete(ticket.id)
      return { kind: 'absent', reason: 'revoked' }
    }
    return answerFrom(entry, ticket)
  }

  async function answerFrom(entry: NearSession, ticket: Ticket): Promise<Found> {
    const now = clock()
    const { session } = entry
    if (now >= session.expiresAt) return { kind: 'absent', reason: 'expired' }
    entry.lastSeenAt = now
    if (now < session.tokenExpiresAt) {
      background(entry, ticketValue(ticket), now)
      entry.attentionAt = nextAttention(entry)
      return { kind: 'found', session, from: 'shared' }
    }
    if (!session.refreshable) return { kind: 'absent', reason: 'expired' }
    const graceEnd = session.tokenExpiresAt + lifetimes.maxStaleMs
    // Once a refresh has failed nobody waits for the next one; it is tried when its back-off has passed.
    if (entry.refreshFailures > 0 && now < graceEnd) {
      background(entry, ticketValue(ticket), now)
      entry.attentionAt = nextAttention(entry)
      return stale(session)
    }
    const outcome = await refreshed(ticket, entry)
    switch (outcome.kind) {
      case 'refreshed':
        if (revocations.has(ticket.id)) return { kind: 'absent', reason: 'revoked' }
        return { kind: 'found', session: outcome.full.session, from: 'shared' }
      case 'ended':
        return { kind: 'absent', reason: 'ended' }
      case 'failed':
        if (clock() < graceEnd) return stale(session)
        throw new ProviderUnavailable('the session cannot be refreshed: the provider is away for too long')
    }
  }

  const noted = new WeakSet<RefreshOutcome>()

  async function refreshed(ticket: Ticket, entry: NearSession): Promise<RefreshOutcome> {
    const outcome = await refresher.refresh(ticket, entry.session)
    // All who waited share one outcome: a hundred waiters of one failure are still one failure.
    if (noted.has(outcome)) return outcome
    noted.add(outcome)
    switch (outcome.kind) {
      case 'refreshed': {
        const current = near.get(ticket.id)
        if (current !== undefined && current.session.generation >= outcome.full.session.generation) break
        adopt(ticket, outcome.full.session, codec.encode(outcome.full, ticket))
        break
      }
      case 'ended':
        near.delete(ticket.id)
        event('ended')
        break
      case 'failed': {
        const current = near.get(ticket.id) ?? entry
        current.refreshFailures++
        current.refreshAt = clock() + Math.min(maxBackoffMs, firstBackoffMs * 2 ** (current.refreshFailures - 1))
        current.attentionAt = nextAttention(current)
        break
      }
    }
    return outcome
  }

  const stale = (session: Session): Found => {
    staleHits.value++
    return { kind: 'found', session, from: 'stale' }
  }

  async function missing(ticket: Ticket, pass: string | undefined): Promise<Found> {
    const entry = near.get(ticket.id)
    // The replica of the login could not write it (cut off, or a store that takes no writes): a miss here proves nothing.
    const unwritten = pass !== undefined && passes?.isUnwritten(pass, ticket, lifetimes.maxStaleMs) === true
    if (entry?.pending === true || clock() < trust.settlingUntil || unwritten) {
      try {
        if ((await store.get(revokedKey(ticket.id))) === undefined) return standIn(ticket, pass, undefined)
      } catch (error) {
        if (error instanceof StoreUnavailable) return standIn(ticket, pass, error)
        throw error
      }
    }
    near.delete(ticket.id)
    return { kind: 'absent', reason: 'unknown' }
  }

  /** The store cannot be asked: what this replica knows, then what the browser carries. */
  function standIn(ticket: Ticket, pass: string | undefined, cause: StoreUnavailable | undefined): Found {
    const now = clock()
    const entry = near.get(ticket.id)
    if (entry !== undefined && presentsSecret(entry, ticket.secret) && now < endOf(entry.session)) {
      if (entry.pending || now < (trust.awaySince ?? now) + lifetimes.maxStaleMs) return stale(entry.session)
    }
    const session = pass === undefined ? undefined : passes?.open(pass, ticket)
    if (session !== undefined && now < endOf(session)) {
      event('pass_honoured')
      return { kind: 'found', session, from: 'pass' }
    }
    if (cause === undefined) return { kind: 'absent', reason: 'unknown' }
    throw cause
  }

  function unusable(ticket: Ticket, error: Error | undefined): Found {
    // Damaged, swapped, of a newer version, or presented with another secret: a miss, whatever the cause.
    sharedErrors.value++
    near.delete(ticket.id)
    logger.warn(
      { event: 'stored_value_unusable', reason: error === undefined ? 'does_not_open' : 'wrong_type', kind: 'session' },
      'a stored session is damaged, moved or of another version: treated as absent',
    )
    return { kind: 'absent', reason: 'unknown' }
  }

  // --- what other replicas and the store's life tell us ---------------------------------------------------------------

  tier.onChange(({ what, id }) => {
    if (what === 'revoked') {
      revocations.mark(id, near.get(id)?.session.expiresAt ?? clock() + lifetimes.maxAgeMs)
      near.delete(id)
    } else {
      overtakeReads(id)
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
    async restoreMarks() {
      // A server that restarts from an old snapshot brings back what was revoked after it was taken: the mark alone would
      // leave the session standing for whoever has no copy of the mark.
      await inBatches(revocations.live(), ([id, expiresAt]) =>
        store.revoke(
          sessionKey(id),
          revokedKey(id),
          markValue,
          Math.max(1, Math.ceil(expiresAt - clock())),
          tier.note({ what: 'revoked', id }),
        ),
      )
    },
    async reseed() {
      const known = [...near.entries()].filter(
        ([, entry]) => entry.whole && !entry.outdated && clock() < endOf(entry.session),
      )
      await inBatches(known, async ([id, entry]) => {
        const result = await store.seed(sessionKey(id), entry.value, storedTtl(entry.session), revokedKey(id))
        if (result === 'marked') near.delete(id)
        else entry.validatedAt = clock()
        // From an old snapshot, too: its refresh token was rotated since, and using it would end the session.
        if (result === 'exists') await overwriteOlder(id, entry)
      })
      if (known.length > 0)
        logger.info(
          { event: 'sessions_reseeded', sessions: known.length },
          'live sessions written to the restarted store',
        )
    },
  })

  async function overwriteOlder(id: string, entry: NearSession): Promise<void> {
    const head = await store.get(sessionKey(id), headBytes)
    const stored = head === undefined ? undefined : generationOf(head)
    if (head === undefined || stored === undefined || stored === entry.session.generation) return
    if (stored > entry.session.generation) {
      // Another replica was back sooner and has refreshed it meanwhile, unheard.
      entry.outdated = true
      entry.attentionAt = 0
      return
    }
    await store.replace(sessionKey(id), entry.value, storedTtl(entry.session), head)
  }

  return {
    near: nearSession,

    async find(text, pass) {
      const session = nearSession(text)
      return session === undefined ? find(text, pass) : { kind: 'found', session, from: 'near' }
    },

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
        refreshAt: refreshTime(now, grant.expiresAt),
        refreshable: grant.tokens.refreshToken !== undefined,
        generation: 1,
      }
      const value = codec.encode({ session, tokens: grant.tokens }, ticket)
      let pending = false
      try {
        await store.set(sessionKey(ticket.id), value, storedTtl(session))
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        pending = true
        journal.add({
          name: `session:${ticket.id}`,
          revocation: false,
          expiresAt: endOf(session),
          write: async () => {
            if (revocations.has(ticket.id)) return
            await store.seed(sessionKey(ticket.id), value, storedTtl(session), revokedKey(ticket.id))
            const entry = near.get(ticket.id)
            if (entry !== undefined) entry.pending = false
          },
        })
      }
      adopt(ticket, session, value, { pending })
      event('created')
      return { ticket: ticketValue(ticket), session, pass: passes?.issue(session, ticket, pending) }
    },

    async end(text) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      let full: FullSession | undefined
      let expiresAt = clock() + lifetimes.maxAgeMs
      const entry = near.get(ticket.id)
      const isOurs = entry !== undefined && presentsSecret(entry, ticket.secret)
      try {
        full = await readWhole(ticket)
        // An id alone, without its secret, ends nothing. A near copy is proof, too: the store may have lost its value
        // (evicted, damaged) while copies still answer.
        if (full === undefined && !isOurs) return undefined
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        if (entry !== undefined && !isOurs) return undefined
      }
      if (full === undefined && isOurs && entry.whole) full = open(entry.value, ticket)
      if (full !== undefined) expiresAt = full.session.expiresAt
      await revoke(ticket.id, expiresAt)
      event('logged_out')
      return full
    },

    async tokens(text) {
      const ticket = parseTicket(text)
      if (ticket === undefined) return undefined
      const entry = near.get(ticket.id)
      if (entry?.whole === true && !entry.outdated && presentsSecret(entry, ticket.secret)) {
        return codec.decodeTokens(entry.value, ticket)
      }
      return (await readWhole(ticket))?.tokens
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

/** Whether the shorter is how the longer begins: then both are the same state of the same session. */
function startsAlike(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return length > headBytes && a.compare(b, 0, length, 0, length) === 0
}

/** Undefined for what is not a session of this format: damaged is not older. */
const generationOf = (value: Buffer) => readHead(value)?.generation

const batchSize = 64

async function inBatches<T>(items: Iterable<T>, task: (item: T) => Promise<unknown>): Promise<void> {
  let batch: Promise<unknown>[] = []
  for (const item of items) {
    batch.push(task(item))
    if (batch.length < batchSize) continue
    await Promise.all(batch)
    batch = []
  }
  await Promise.all(batch)
}
