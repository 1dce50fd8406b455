import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { deploymentScope } from '../src/deployment.ts'
import { createSealer } from '../src/sealing.ts'
import { createPasses, maxPassLength } from '../src/session/pass.ts'
import { newTicket } from '../src/session/ticket.ts'
import { load } from './config/load-fixture.ts'
import { aProviderEntry } from './fixtures/providers.ts'

const providerURL = 'https://id.example.com/realms/one'

function scopeOf(changes: { providerURL?: string; clientID?: string; keyPrefix?: string; rest?: string } = {}): string {
  const { clientID = 'one', keyPrefix = 'one:', rest = '' } = changes
  const { config } = load({ text: `redis: { keyPrefix: "${keyPrefix}" }\n${rest}` })
  return deploymentScope({
    providers: [
      aProviderEntry({ client: { ...config.provider, providerURL: changes.providerURL ?? providerURL, clientID } }),
    ],
    redis: config.redis,
  })
}

test('a deployment is named by 16 characters that a key or a channel can hold', () => {
  assert.match(scopeOf(), /^[\w-]{16}$/)
})

const others: [name: string, changes: Parameters<typeof scopeOf>[0]][] = [
  ['another provider', { providerURL: 'https://id.example.com/realms/two' }],
  ['another host of the provider', { providerURL: 'https://id.example.org/realms/one' }],
  ['another client', { clientID: 'two' }],
  ['another key prefix', { keyPrefix: 'two:' }],
  ['parts that only together say the same', { clientID: 'oneone:', keyPrefix: ':' }],
]
for (const [name, changes] of others) {
  test(`${name} is another deployment`, () => assert.notEqual(scopeOf(changes), scopeOf()))
}

const same: [name: string, changes: Parameters<typeof scopeOf>[0]][] = [
  ['a slash at the end of the provider’s address', { providerURL: `${providerURL}/` }],
  ['what else may differ between replicas', { rest: 'logLevel: debug' }],
]
for (const [name, changes] of same) {
  test(`${name} makes no other deployment`, () => assert.equal(scopeOf(changes), scopeOf()))
}

test('what one deployment sealed opens in no other with the same key', () => {
  const key = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')
  const passesOf = (scope: string) =>
    createPasses({
      sealer: createSealer([key], `pass ${scope}`, randomBytes),
      clock: () => 0,
      maxAgeMs: 1_000,
      sessionMaxAgeMs: 1_000,
      maxLength: maxPassLength,
      isOurs: () => true,
    })
  const ticket = newTicket(randomBytes)
  const session = {
    id: ticket.id,
    subject: 'alice',
    issuer: providerURL,
    providerSessionId: 'sid',
    claims: {},
    createdAt: 0,
    expiresAt: 1_000,
    tokenExpiresAt: 1_000,
    refreshAt: 1_000,
    refreshable: false,
    generation: 1,
  }
  const pass = passesOf(scopeOf()).issue(session, ticket) ?? ''
  assert.deepEqual(passesOf(scopeOf()).open([pass], ticket), session)
  for (const [name, changes] of others) {
    assert.equal(passesOf(scopeOf(changes)).open([pass], ticket), undefined, name)
  }
})
