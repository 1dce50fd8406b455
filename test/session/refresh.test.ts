import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerLost, ClientRejected, ProviderUnavailable, RefreshRejected, StoreUnavailable } from '../../src/errors.ts'
import type { Claims, Tokens } from '../../src/oidc/provider.ts'
import type { Leases } from '../../src/cache/lease.ts'
import { createNextStates } from '../../src/session/next-states.ts'
import { createRefresher, type RefresherDeps } from '../../src/session/refresh.ts'
import type { SessionWithTokens } from '../../src/session/session.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aSession } from '../fixtures/session.ts'
import { fakeProvider, gate, quiet, refreshGrant } from './world.ts'

const ticket = { id: 'i', secret: 's' }
const lifetimes = { refreshTime: (_obtainedAt: number, tokenExpiresAt: number) => tokenExpiresAt - 500 }

function stored(generation: number, claims: Claims = {}): SessionWithTokens {
  const session = aSession({
    id: ticket.id,
    claims,
    expiresAt: 1_000_000,
    tokenExpiresAt: 1_000,
    refreshAt: 500,
    refreshable: true,
    generation,
  })
  return { session, tokens: { accessToken: `at-${generation}`, idToken: undefined, refreshToken: `rt-${generation}` } }
}

type Port = RefresherDeps['reader'] & RefresherDeps['writer']

/** One stored session, and leases that a test hands out. */
function aRefresher(leases?: Leases) {
  const store = {
    holds: stored(1) as SessionWithTokens | 'ended' | 'awaited',
    ended: 0,
    kept: [] as SessionWithTokens[],
  }
  let waits = 0
  let now = 0
  const provider = fakeProvider(() => 0)
  const metrics = createMetrics({ processMetrics: false })
  const log = recordedLog()
  const port: Port = {
    isNewerAwaited: () => false,
    readLatest: async () => store.holds,
    async replace(_ticket, before, next) {
      if (generationIn(store.holds) !== before.generation) return false
      store.holds = next
      return true
    },
    async end() {
      store.ended++
      store.holds = 'ended'
      return true
    },
    keepForLater: (_ticket, next) => void store.kept.push(next),
  }
  const make = (overrides: Partial<Port> = {}, changed: () => void = () => undefined) =>
    createRefresher({
      providers: { of: () => provider },
      reader: { ...port, ...overrides },
      writer: { ...port, ...overrides },
      next: createNextStates({ claimsToKeep: (claims) => claims, lifetimes, maxStaleMs: 5_000, clock: () => now }),
      async changed() {
        waits++
        changed()
      },
      leases,
      metrics,
      logger: log,
      clock: () => now,
      maxWaitMs: 1_000,
    })
  const outcomes = (outcome: string) => metrics.tokenRefreshes.labels({ outcome }).value
  const at = (ms: number) => void (now = ms)
  return { store, provider, log, make, outcomes, waits: () => waits, at }
}

const generationIn = (held: SessionWithTokens | 'ended' | 'awaited') =>
  typeof held === 'object' ? held.session.generation : undefined

const nobodysLease: Leases = { acquire: async () => undefined, failedLately: async () => false }
const known = stored(1).session

test('a hundred who want the same session refreshed make one call and share its outcome', async () => {
  const { provider, make, store } = aRefresher()
  const answer = gate<ReturnType<typeof refreshGrant>>()
  provider.onRefresh = () => answer.promise
  const refresher = make()
  const all = Array.from({ length: 100 }, () => refresher.refresh(ticket, known))
  await quiet()
  answer.open(refreshGrant(2_000))
  const settled = await Promise.all(all)
  assert.equal(provider.refreshes.length, 1)
  assert.deepEqual(new Set(settled).size, 1)
  assert.deepEqual(settled[0], { kind: 'refreshed', full: store.holds })
})

test('the next one after that is a call of its own', async () => {
  const { provider, make } = aRefresher()
  const refresher = make()
  await refresher.refresh(ticket, known)
  await refresher.refresh(ticket, stored(2).session)
  assert.equal(provider.refreshes.length, 2)
})

test('a session that somebody refreshed meanwhile is taken as it is: no call', async () => {
  const { provider, make, store, outcomes } = aRefresher()
  store.holds = stored(2)
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(provider.refreshes.length, 0)
  assert.equal(outcomes('taken_over'), 1)
})

test('who does not get the lease waits for the result of who has it', async () => {
  const { provider, make, store, waits } = aRefresher(nobodysLease)
  const changed = () => {
    if (waits() === 3) store.holds = stored(2)
  }
  assert.deepEqual(await make({}, changed).refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(provider.refreshes.length, 0)
  assert.equal(waits(), 3)
})

test('a newer state whose token has ended, too, is not taken as it is: it is refreshed in its turn', async () => {
  const { provider, make, store, outcomes } = aRefresher()
  const { session, tokens } = stored(2)
  store.holds = { session: { ...session, tokenExpiresAt: 0 }, tokens }
  const outcome = await make().refresh(ticket, known)
  assert.ok(outcome.kind === 'refreshed' && outcome.full.session.generation === 3)
  assert.deepEqual(
    provider.refreshes.map(({ refreshToken }) => refreshToken),
    ['rt-2'],
  )
  assert.equal(outcomes('taken_over'), 0)
})

test('who waited for a lease in vain has learned nothing of the session', async () => {
  const { make } = aRefresher(nobodysLease)
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault: 'provider' })
})

test('a logout while waiting for the lease ends the wait', async () => {
  const { make, store } = aRefresher(nobodysLease)
  const changed = () => void (store.holds = 'ended')
  assert.deepEqual(await make({}, changed).refresh(ticket, known), { kind: 'ended', reason: 'revoked' })
})

test('who waits for a refresh that failed elsewhere does not try the same in turn', async () => {
  const { make, provider } = aRefresher({ ...nobodysLease, failedLately: async () => true })
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault: 'provider' })
  assert.equal(provider.refreshes.length, 0)
})

test('the lease is given back whatever came of the call', async () => {
  let released = 0
  const release = async () => void released++
  const leases: Leases = { acquire: async () => ({ release, fail: release }), failedLately: async () => false }
  const { provider, make } = aRefresher(leases)
  const refresher = make()
  await refresher.refresh(ticket, known)
  provider.onRefresh = () => Promise.reject(new ProviderUnavailable('away'))
  await refresher.refresh(ticket, stored(2).session)
  provider.onRefresh = () => Promise.reject(new TypeError('a mistake'))
  await refresher.refresh(ticket, stored(2).session)
  assert.equal(released, 3)
})

for (const reason of ['invalid_grant', 'refresh_refused'] as const) {
  test(`${reason} while the token lives: the session keeps its token, without refresh, and ends with it (E1)`, async () => {
    const { provider, make, store, outcomes, log } = aRefresher()
    provider.onRefresh = () => Promise.reject(new RefreshRejected(reason, 'no longer'))
    const outcome = await make().refresh(ticket, known)
    assert.ok(outcome.kind === 'refreshed')
    const { session, tokens } = outcome.full
    assert.deepEqual([session.refreshable, session.generation, session.tokenExpiresAt], [false, 2, 1_000])
    assert.deepEqual(tokens, { accessToken: 'at-1', idToken: undefined, refreshToken: undefined })
    assert.deepEqual([store.holds, store.ended], [outcome.full, 0])
    assert.deepEqual([outcomes('rejected'), outcomes('refreshed')], [1, 0])
    assert.deepEqual(
      log.lines.map((line) => [line.event, line.reason]),
      [['refresh_refused', reason]],
    )
  })

  test(`${reason} after the token has ended ends the session (E1)`, async () => {
    const { provider, make, store, outcomes, log, at } = aRefresher()
    at(1_000)
    provider.onRefresh = () => Promise.reject(new RefreshRejected(reason, 'no longer'))
    assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason })
    assert.deepEqual([store.ended, outcomes('rejected')], [1, 1])
    assert.deepEqual(
      log.lines.map((line) => [line.event, line.reason]),
      [['session_ended', reason]],
    )
  })
}

for (const [error, reason] of [
  [new ProviderUnavailable('away'), 'provider_unavailable'],
  [new ClientRejected('invalid_client'), 'client_rejected'],
  [new AnswerLost('cut'), 'answer_lost'],
] as const) {
  test(`a refresh that fails (${reason}) is counted, and told at debug: the provider tells of itself, once`, async () => {
    const { provider, make, outcomes, log } = aRefresher()
    provider.onRefresh = () => Promise.reject(error)
    assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault: 'provider' })
    assert.equal(outcomes('failed'), 1)
    assert.deepEqual(
      log.lines.map((line) => [line.level, line.event, line.reason]),
      [['debug', 'refresh_failed', reason]],
    )
  })
}

for (const reason of ['subject_changed', 'issuer_changed', 'id_token_invalid'] as const) {
  test(`${reason} ends the session at once, though its token lives`, async () => {
    const { provider, make, store } = aRefresher()
    provider.onRefresh = () => Promise.reject(new RefreshRejected(reason, 'somebody else'))
    assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason })
    assert.equal(store.ended, 1)
  })
}

test('a session whose refresh was refused to another replica is over with its token: no call (E1)', async () => {
  const { provider, make, store, at } = aRefresher()
  const { session, tokens } = stored(2)
  store.holds = { session: { ...session, refreshable: false }, tokens: { ...tokens, refreshToken: undefined } }
  at(1_000)
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'refresh_refused' })
  assert.equal(provider.refreshes.length, 0)
})

test('a logout during a refused refresh wins', async () => {
  const { provider, make, store } = aRefresher()
  provider.onRefresh = async () => {
    store.holds = 'ended'
    throw new RefreshRejected('invalid_grant', 'no longer')
  }
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'revoked' })
})

test('invalid_grant because another replica used the token first ends nothing', async () => {
  const { provider, make, store } = aRefresher()
  provider.onRefresh = async () => {
    store.holds = stored(2)
    throw new RefreshRejected('invalid_grant', 'used')
  }
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(store.ended, 0)
})

const failures: [name: string, error: Error, fault: 'provider' | 'store'][] = [
  ['a provider that is away', new ProviderUnavailable('away'), 'provider'],
  ['a mistake of ours', new TypeError('a mistake'), 'provider'],
  ['a store that is away', new StoreUnavailable('away'), 'store'],
]
for (const [name, error, fault] of failures) {
  test(`${name} ends no session`, async () => {
    const { provider, make, store } = aRefresher()
    provider.onRefresh = () => Promise.reject(error)
    assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault })
    assert.equal(store.ended, 0)
    assert.deepEqual(store.holds, stored(1))
  })
}

test('a session that is gone is not refreshed', async () => {
  const { provider, make, store } = aRefresher()
  store.holds = 'ended'
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'revoked' })
  assert.equal(provider.refreshes.length, 0)
})

test('a logout during the call wins: what the call brought is revoked at the provider', async () => {
  const { provider, make, store, outcomes } = aRefresher()
  provider.onRefresh = async () => {
    store.holds = 'ended'
    return refreshGrant(2_000, 7)
  }
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'revoked' })
  assert.deepEqual(
    provider.revoked.map((tokens: Tokens) => tokens.refreshToken),
    ['rt-7'],
  )
  assert.equal(outcomes('overtaken'), 1)
})

test('a refresh overtaken by another one uses that one', async () => {
  const { provider, make, store } = aRefresher()
  provider.onRefresh = async () => {
    store.holds = stored(2)
    return refreshGrant(2_000, 7)
  }
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(provider.revoked.length, 0)
})

test('a state that is still on its way into the store is waited for, not taken for the end of the session', async () => {
  const { make, store, provider } = aRefresher()
  store.holds = 'awaited'
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault: 'store' })
  assert.equal(provider.refreshes.length, 0)
  assert.equal(store.ended, 0)
})

test('where the store went back to an older state during the call, the new tokens are kept: the older ones are spent', async () => {
  const { make, store, provider } = aRefresher()
  store.holds = stored(3)
  provider.onRefresh = async () => {
    store.holds = stored(2)
    return refreshGrant(2_000, 7)
  }
  const outcome = await make().refresh(ticket, stored(3).session)
  assert.ok(outcome.kind === 'refreshed' && outcome.full.session.generation === 4)
  assert.deepEqual(
    store.kept.map(({ tokens }) => tokens.refreshToken),
    ['rt-7'],
  )
})
