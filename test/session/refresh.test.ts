import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderUnavailable, RefreshRejected, StoreUnavailable } from '../../src/errors.ts'
import type { Tokens } from '../../src/oidc/provider.ts'
import type { Leases } from '../../src/session/lease.ts'
import { createRefresher, type RefreshShelf } from '../../src/session/refresh.ts'
import type { FullSession, Session } from '../../src/session/session.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { recordedLog } from '../oidc/setup.ts'
import { fakeProvider, gate, quiet, refreshGrant } from './world.ts'

const ticket = { id: 'i', secret: 's' }

function stored(generation: number): FullSession {
  const session: Session = {
    id: ticket.id,
    subject: 'alice',
    issuer: 'https://id.example.com',
    providerSessionId: undefined,
    claims: {},
    createdAt: 0,
    expiresAt: 1_000_000,
    tokenExpiresAt: 1_000,
    refreshAt: 500,
    refreshable: true,
    generation,
  }
  return { session, tokens: { accessToken: `at-${generation}`, idToken: undefined, refreshToken: `rt-${generation}` } }
}

/** A shelf with one session on it, and leases that a test hands out. */
function aRefresher(leases?: Leases) {
  const shelf = { holds: stored(1) as FullSession | undefined, revoked: 0, kept: [] as FullSession[], changes: 0 }
  const provider = fakeProvider(() => 0)
  const metrics = createMetrics({ processMetrics: false })
  const log = recordedLog()
  const port: RefreshShelf = {
    readWhole: async () => shelf.holds,
    async replace(_ticket, before, next) {
      if (shelf.holds?.session.generation !== before.generation) return false
      shelf.holds = next
      return true
    },
    async revoke() {
      shelf.revoked++
      shelf.holds = undefined
    },
    renewed: (before, grant) => ({
      session: { ...before.session, generation: before.session.generation + 1 },
      tokens: grant.tokens,
    }),
    async changed() {
      shelf.changes++
    },
    keep: (_ticket, _before, next) => void shelf.kept.push(next),
  }
  const make = (overrides: Partial<RefreshShelf> = {}) =>
    createRefresher({
      provider,
      shelf: { ...port, ...overrides },
      leases,
      metrics,
      logger: log,
      timer: () => () => undefined,
      patienceMs: 1_000,
    })
  const outcomes = (outcome: string) => metrics.tokenRefreshes.with({ outcome }).value
  return { shelf, provider, log, make, outcomes }
}

const nobodysLease: Leases = { acquire: async () => undefined, failedLately: async () => false }
const known = stored(1).session

test('a hundred who want the same session refreshed make one call and share its outcome', async () => {
  const { provider, make, shelf } = aRefresher()
  const answer = gate<ReturnType<typeof refreshGrant>>()
  provider.onRefresh = () => answer.promise
  const refresher = make()
  const all = Array.from({ length: 100 }, () => refresher.refresh(ticket, known))
  await quiet()
  answer.open(refreshGrant(2_000))
  const settled = await Promise.all(all)
  assert.equal(provider.refreshes.length, 1)
  assert.deepEqual(new Set(settled).size, 1)
  assert.deepEqual(settled[0], { kind: 'refreshed', full: shelf.holds })
})

test('the next one after that is a call of its own', async () => {
  const { provider, make } = aRefresher()
  const refresher = make()
  await refresher.refresh(ticket, known)
  await refresher.refresh(ticket, stored(2).session)
  assert.equal(provider.refreshes.length, 2)
})

test('a session that somebody refreshed meanwhile is taken as it is: no call', async () => {
  const { provider, make, shelf, outcomes } = aRefresher()
  shelf.holds = stored(2)
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(provider.refreshes.length, 0)
  assert.equal(outcomes('taken_over'), 1)
})

test('who does not get the lease waits for the result of who has it', async () => {
  const { provider, make, shelf } = aRefresher(nobodysLease)
  const changed = async () => {
    shelf.changes++
    if (shelf.changes === 3) shelf.holds = stored(2)
  }
  assert.deepEqual(await make({ changed }).refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(provider.refreshes.length, 0)
  assert.equal(shelf.changes, 3)
})

test('who waited for a lease in vain has learned nothing of the session', async () => {
  const { make } = aRefresher(nobodysLease)
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault: 'provider' })
})

test('a logout while waiting for the lease ends the wait', async () => {
  const { make, shelf } = aRefresher(nobodysLease)
  const changed = async () => void (shelf.holds = undefined)
  assert.deepEqual(await make({ changed }).refresh(ticket, known), { kind: 'ended', reason: 'revoked' })
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
  const { provider, make, shelf, outcomes, log } = aRefresher()
  provider.onRefresh = () => Promise.reject(new RefreshRejected('invalid_grant', 'no longer'))
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'invalid_grant' })
  assert.equal(shelf.revoked, 1)
  assert.equal(outcomes('rejected'), 1)
  assert.deepEqual(
    log.lines.map(({ event, reason }) => [event, reason]),
    [['session_ended', 'invalid_grant']],
  )
})

test('invalid_grant because another replica used the token first ends nothing', async () => {
  const { provider, make, shelf } = aRefresher()
  provider.onRefresh = async () => {
    shelf.holds = stored(2)
    throw new RefreshRejected('invalid_grant', 'used')
  }
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(shelf.revoked, 0)
})

const failures: [name: string, error: Error, fault: 'provider' | 'store'][] = [
  ['a provider that is away', new ProviderUnavailable('away'), 'provider'],
  ['a mistake of ours', new TypeError('a mistake'), 'provider'],
  ['a store that is away', new StoreUnavailable('away'), 'store'],
]
for (const [name, error, fault] of failures) {
  test(`${name} ends no session`, async () => {
    const { provider, make, shelf } = aRefresher()
    provider.onRefresh = () => Promise.reject(error)
    assert.deepEqual(await make().refresh(ticket, known), { kind: 'failed', fault })
    assert.equal(shelf.revoked, 0)
    assert.notEqual(shelf.holds, undefined)
  })
}

test('a session that is gone is not refreshed', async () => {
  const { provider, make, shelf } = aRefresher()
  shelf.holds = undefined
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'ended', reason: 'revoked' })
  assert.equal(provider.refreshes.length, 0)
})

test('a logout during the call wins: what the call brought is revoked at the provider', async () => {
  const { provider, make, shelf, outcomes } = aRefresher()
  provider.onRefresh = async () => {
    shelf.holds = undefined
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
  const { provider, make, shelf } = aRefresher()
  provider.onRefresh = async () => {
    shelf.holds = stored(2)
    return refreshGrant(2_000, 7)
  }
  assert.deepEqual(await make().refresh(ticket, known), { kind: 'refreshed', full: stored(2) })
  assert.equal(provider.revoked.length, 0)
})

test('where the store fails on the write, the new tokens are kept: the old refresh token is spent', async () => {
  const { make, shelf } = aRefresher()
  const replace = () => Promise.reject(new StoreUnavailable('away'))
  const outcome = await make({ replace }).refresh(ticket, known)
  assert.equal(outcome.kind, 'refreshed')
  assert.equal(shelf.kept.length, 1)
  assert.equal(shelf.kept[0]?.tokens.refreshToken, 'rt-1')
})
