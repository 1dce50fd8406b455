// Groups that an ID token of Entra ID has no room for: the shapes are those of Microsoft's documentation.
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { describe, test, type TestContext } from 'node:test'
import { isOverage } from '../../src/oidc/groups-overage.ts'
import { hours } from '../../src/time.ts'
import { aWorld, outcomeOf } from './setup.ts'

const overage = {
  _claim_names: { groups: 'src1' },
  _claim_sources: { src1: { endpoint: 'https://graph.windows.net/3f2b/users/8a1c/getMemberObjects' } },
}
const ids = ['fee2c45b-915a-4a64-b130-f4eb9e75525e', '4fe90ae7-065a-478b-9400-e0a0e1cbd540']
const answer = { '@odata.context': 'https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)', value: ids }

/** A Graph that answers this, and remembers what it was asked. */
async function graph(t: TestContext, answers: { status: number; body: string }) {
  const asked: { method: string; url: string; authorization: string; type: string; text: string }[] = []
  const server = createServer((request: IncomingMessage, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      asked.push({ method, url, authorization: headers.authorization ?? '', type: headers['content-type'] ?? '', text })
      response.writeHead(answers.status, { 'content-type': 'application/json' }).end(answers.body)
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { url: `http://127.0.0.1:${address.port}`, asked }
}

const good = () => ({ status: 200, body: JSON.stringify(answer) })
const wantsGroups = { claimsWanted: ['email', 'groups'] }
const alice = { sub: 'alice', email: 'alice@example.com', email_verified: true }

async function entra(t: TestContext, answers = good(), options: Parameters<typeof aWorld>[1] = {}) {
  const { url, asked } = await graph(t, answers)
  const it = await aWorld(t, {
    provider: { person: alice },
    config: { graphURL: url },
    options: { ...wantsGroups, ...options.options },
  })
  return { ...it, asked, answers }
}

test('are asked for at Graph, with the person’s own token', async (t) => {
  const { login, asked } = await entra(t)
  const grant = await login({ claims: overage })
  assert.deepEqual(grant.claims['groups'], ids)
  assert.deepEqual(asked, [
    {
      method: 'POST',
      url: '/v1.0/me/getMemberGroups',
      authorization: `Bearer ${grant.tokens.accessToken}`,
      type: 'application/json',
      text: '{"securityEnabledOnly":false}',
    },
  ])
})

describe('are not asked for', () => {
  test('where the token has them, or says nothing of others', async (t) => {
    const { login, asked } = await entra(t)
    assert.deepEqual((await login({ claims: { groups: ['a'] } })).claims['groups'], ['a'])
    assert.equal((await login({ claims: {} })).claims['groups'], undefined)
    assert.deepEqual(asked, [])
  })
  test('where no option reads them', async (t) => {
    const { login, asked } = await entra(t, good(), { options: { claimsWanted: ['email'] } })
    await login({ claims: overage })
    assert.deepEqual(asked, [])
  })
  test('where no Graph is configured, and least of all where the token points', async (t) => {
    const { login, requests } = await aWorld(t, { provider: { person: alice }, options: wantsGroups })
    assert.equal((await login({ claims: overage })).claims['groups'], undefined)
    assert.equal(
      requests.some((request) => request.startsWith('groups')),
      false,
    )
  })
})

const failures: [name: string, answers: { status: number; body: string }][] = [
  ['refuses', { status: 403, body: '{"error":{"code":"Authorization_RequestDenied"}}' }],
  ['is too busy', { status: 429, body: '' }],
  ['is down', { status: 503, body: '' }],
  ['says nothing of use', { status: 200, body: '{}' }],
  ['says something else', { status: 200, body: '{"value":[{"id":"a"}]}' }],
  ['is no JSON', { status: 200, body: '<html>' }],
]
for (const [name, answers] of failures) {
  test(`while Graph ${name} nobody’s groups are known: who needs them comes again, others are half known`, async (t) => {
    const needing = await entra(t, answers, { options: { admits: (claims) => claims['groups'] !== undefined } })
    assert.equal(await outcomeOf(needing.login({ claims: overage })), 'PROVIDER_UNAVAILABLE')
    const { login } = await entra(t, answers)
    const grant = await login({ claims: overage })
    assert.deepEqual([grant.claims['groups'], grant.isHalfKnown], [undefined, true])
  })
}

test('of a session stay as they were while Graph cannot be asked at a refresh', async (t) => {
  const { op, provider, login, time, answers } = await entra(t)
  op.issuesIdTokenOnRefresh = true
  op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, ...overage } })
  const grant = await login()
  time.advance(hours(1))
  answers.status = 503
  const refreshed = await provider.refresh(grant.tokens, { issuer: op.issuer, subject: 'alice' })
  assert.equal(refreshed.claims, undefined)
  answers.status = 200
  const again = await provider.refresh(refreshed.tokens, { issuer: op.issuer, subject: 'alice' })
  assert.deepEqual(again.claims?.['groups'], ids)
})

for (const [name, claims, isOne] of [
  ['a pointer', overage, true],
  ['a mark (implicit flow)', { hasgroups: true }, true],
  ['groups beside it', { ...overage, groups: [] }, false],
  ['a pointer for another claim', { _claim_names: { address: 'src1' } }, false],
  ['a pointer that is none', { _claim_names: 'groups' }, false],
] as const) {
  test(`${name} says ${isOne ? 'that' : 'nothing of'} groups are elsewhere`, () =>
    assert.equal(isOverage(claims), isOne))
}
