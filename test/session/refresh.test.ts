import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderUnavailable, RefreshRejected, StoreUnavailable } from '../../src/errors.ts'
import type { Claims, Tokens } from '../../src/oidc/provider.ts'
import type { Leases } from '../../src/session/lease.ts'
import { createRefresher, type RefresherDeps } from '../../src/session/refresh.ts'
import type { FullSession, Session } from '../../src/session/session.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { fakeProvider, gate, quiet, refreshGrant } from './world.ts'

const ticket = { id: 'i', secret: 's' }

function stored(generation: number, claims: Claims = {}): FullSession {
  const session: Session = {
    id: ticket.id,
    subject: 'alice',
    issuer: 'https://id.example.com',
    providerSessionId: undefined,
    claims,
    createdAt: 0,
    expiresAt: 1_000_000,
    tokenExpiresAt: 1_000,
    refreshAt: 500,
    refreshable: true,
    generation,
  }
  return { session, tokens: { accessToken: `at-${generation}`, idToken: undefined, refreshToken: `rt-${generation}` } }
}

type Port = RefresherDeps['sessionStore']

/** One stored session, and leases that a test hands out. */
function aRefresher(leases?: Leases) {
  const store = {
    holds: stored(1) as FullSession | 'ended' | 'awaited',
    ended: 0,
    kept: [] as FullSession[],
  }
  let waits = 0
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
      provider,
      sessionStore: { ...port, ...overrides },
      renewed: (before, grant) => ({
        session: {
          ...before.session,
          claims: grant.claims ?? before.session.claims,
          generation: before.session.generation + 1,
        },
        tokens: grant.tokens,
      }),
      async changed() {
        waits++
        changed()
      },
      leases,
      metrics,
      logger: log,
      clock: () => 0,
      patienceMs: 1_000,
    })
  const outcomes = (outcome: string) => metrics.tokenRefreshes.with({ outcome }).value
  return { store, provider, log, make, outcomes, waits: () => waits }
}

const generationIn = (held: FullSession | 'ended' | 'awaited') =>
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

test('invalid_grant ends the session', async () => {
  const { provider, make, store, outcomes, log } = aRefresher()
  provider.onRefresh = () => Promise.reject(new RefreshRejected('invalid_grant', 'no longer'))
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'invalid_grant' })
  assert.equal(store.ended, 1)
  assert.equal(outcomes('rejected'), 1)
  assert.deepEqual(
    log.lines.map(({ event, reason }) => [event, reason]),
    [['session_ended', 'invalid_grant']],
  )
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
