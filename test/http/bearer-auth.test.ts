// The door for tokens, where the whole service cannot be asked: what it hears of failures, and streams that are asked about again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bearer, Presented } from '../../src/bearer/bearer.ts'
import { ProviderUnavailable, StoreUnavailable, TokenRejected } from '../../src/errors.ts'
import { createBearerAuth } from '../../src/http/bearer-auth.ts'
import type { AuthDecision, AuthRequest, DecisionContext } from '../../src/http/auth-decision.ts'
import { refusedWith } from '../../src/http/auth-decision.ts'
import { createTrustedPeers } from '../../src/http/client.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { defaultAddresses } from '../fixtures/addresses.ts'

const identity = { subject: 'robot', issuer: 'https://id.example.com', claims: {}, scopes: [], endsAt: undefined }
const answered = (reason: string): AuthDecision => refusedWith({ status: 401, headers: {}, cookies: [], body: reason })
const allowed: AuthDecision = { allow: { headers: {}, wire: [] } }

function aDoor(bearer: Partial<Bearer>, waitMs = 0) {
  const failures: string[] = []
  const door = createBearerAuth({
    bearer: { near: () => undefined, isKnown: () => false, verify: () => Promise.resolve(identity), ...bearer },
    admissions: { allowOrDenyToken: () => allowed },
    refusals: {
      rejected: (_context, { reason }) => answered(reason),
      tooMany: (_context, waitMs) => answered(`later: ${waitMs}`),
    },
    denials: { failed: (_label, _request, error) => answered(error instanceof Error ? error.constructor.name : '') },
    addresses: defaultAddresses(),
    peers: createTrustedPeers(['127.0.0.1']),
    failures: { take: (client) => (failures.push(client), Promise.resolve(0)), waitMs: () => waitMs },
    withinBudget: (task) => task(),
    metrics: createMetrics({ processMetrics: false }),
  })
  return { door, failures }
}

const request: AuthRequest = {
  method: 'GET',
  url: '/auth/traefik',
  peer: '127.0.0.1',
  headers: { 'x-forwarded-for': '203.0.113.7', dpop: 'a.b.c' },
}
const context: DecisionContext = {
  label: 'traefik',
  request,
  original: {
    method: 'POST',
    scheme: 'https',
    host: 'app.example.com',
    rawPath: '/caf%c3%a9',
    rawQuery: '?x=1',
    path: '/café',
    ambiguity: undefined,
  },
  policy: { kind: 'login', requirements: [0] },
  rules: {
    usesNetworks: false,
    policyFor: () => ({ kind: 'login', requirements: [0] }),
    meets: () => ({ ok: true }),
    scopesOf: () => [],
    admitsProvider: () => true,
  },
  constraint: undefined,
}
const bodyOf = (decision: AuthDecision | undefined) =>
  decision?.allow === undefined ? decision?.answer.body : 'allowed'

test('a token that is near is answered without a promise', () => {
  const { door } = aDoor({ near: () => identity })
  assert.equal(door(context, 'Bearer x'), allowed)
})

test('another scheme is no decision', () => {
  const { door } = aDoor({}, 1_000)
  assert.equal(door(context, 'Basic x'), undefined)
})

test('whose tokens have failed too often is not looked at for a while, but for those that are known to be good', async () => {
  const { door } = aDoor({ near: (header) => (header === 'Bearer good' ? identity : undefined) }, 7_000)
  assert.equal(bodyOf(await door(context, 'Bearer x')), 'later: 7000')
  assert.equal(bodyOf(await door(context, 'Bearer a, Bearer b')), 'later: 7000')
  assert.equal(door(context, 'Bearer good'), allowed)
})

const rejection = new TokenRejected('token_signature', 'no')
for (const [how, verify] of [
  [
    'at once',
    () => {
      throw rejection
    },
  ],
  ['later', () => Promise.reject(rejection)],
] as const) {
  test(`a token that does not count, said ${how}: whose it was is told once`, async () => {
    const { door, failures } = aDoor({ verify })
    assert.equal(bodyOf(await door(context, 'Bearer x')), 'token_signature')
    assert.deepEqual(failures, ['203.0.113.7'])
  })
}

for (const error of [
  new ProviderUnavailable('away'),
  new StoreUnavailable('away'),
  new TypeError('a mistake of ours'),
]) {
  test(`${error.constructor.name} is no failure of the client's, and lets nobody in`, async () => {
    for (const verify of [
      () => Promise.reject(error),
      () => {
        throw error
      },
    ]) {
      const { door, failures } = aDoor({ verify })
      assert.equal(bodyOf(await door(context, 'Bearer x')), error.constructor.name)
      assert.deepEqual(failures, [])
    }
  })
}

test('a proof is for method and address as they were sent, without the query', async () => {
  let presented: Presented | undefined
  const { door } = aDoor({ verify: (given) => ((presented = given), Promise.resolve(identity)) })
  await door(context, 'DPoP x')
  assert.deepEqual(presented?.request, { method: 'POST', url: 'https://app.example.com/caf%c3%a9' })
  assert.equal(presented.proof, 'a.b.c')
  await door({ ...context, original: { ...context.original, unstated: 'method' } }, 'DPoP x')
  assert.equal(presented.request, undefined)
})
