// Whose people a host or a rule is for, where several providers are configured.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Identity, OriginalRequest } from '../../src/access/access.ts'
import { originalRequest } from '../../src/access/canonical.ts'
import { compileRules, type CompiledRules } from '../../src/access/rules.ts'
import type { ProviderEntry, RuleConfig } from '../../src/config/config.ts'
import { aProviderEntry } from '../fixtures/providers.ts'
import { anAccess, aRequirement, aRule } from './fixtures.ts'

const top = aProviderEntry()
const named = (name: string, given: Partial<ProviderEntry> = {}): ProviderEntry =>
  aProviderEntry({ name, id: `id-of-${name}`, ...given })

const of = (provider: string | undefined, claims: Identity['claims'] = {}): Identity => ({
  subject: 'alice',
  issuer: 'https://id.example.com',
  ...(provider !== undefined && { provider: `id-of-${provider}` }),
  claims,
})

const at = (host: string, path = '/'): OriginalRequest =>
  originalRequest({ method: 'GET', scheme: 'https', host, target: path })

function compiled(providers: readonly ProviderEntry[], rules: readonly RuleConfig[] = []): CompiledRules {
  return compileRules({ access: anAccess({ rules }), providers })
}

function admits(rules: CompiledRules, request: OriginalRequest, identity: Identity): boolean {
  const policy = rules.policyFor(request)
  const requirements = (policy.kind === 'deny' ? undefined : policy.requirements) ?? [0]
  return policy.kind !== 'deny' && requirements.every((requirement) => rules.meets(requirement, identity).ok)
}

describe('the lists', () => {
  const lists = { allowedUsers: [], allowedRolesAndGroups: [], requireVerifiedEmail: false }
  const rules = compileRules({
    access: anAccess({ allowedUserDomains: ['example.com'] }),
    providers: [top, named('partner', { lists: { ...lists, allowedUserDomains: ['partner.example'] } })],
  })
  const ofDomain = (domain: string) => ({ email: `a@${domain}` })

  test('of a provider hold for its own people', () => {
    assert.equal(rules.meets(0, of(undefined, ofDomain('example.com'))).ok, true)
    assert.equal(rules.meets(0, of('partner', ofDomain('partner.example'))).ok, true)
  })
  test('of a provider let in nobody of another one', () => {
    assert.equal(rules.meets(0, of('partner', ofDomain('example.com'))).ok, false)
    assert.equal(rules.meets(0, of(undefined, ofDomain('partner.example'))).ok, false)
  })
  test('let in nobody of a provider that is not configured', () => {
    assert.deepEqual(rules.meets(0, of('gone', ofDomain('example.com'))), { ok: false, reason: 'provider_not_allowed' })
  })
})

describe('hosts', () => {
  const rules = compiled([
    top,
    named('one', { hosts: ['one.example.com', '*.both.example.com'] }),
    named('two', { hosts: ['*.both.example.com'] }),
  ])
  for (const [host, allowed] of [
    ['app.example.com', [undefined]],
    ['one.example.com', ['one']],
    ['one.example.com:8443', ['one']],
    ['a.both.example.com', ['one', 'two']],
    ['both.example.com', [undefined]],
  ] as const) {
    test(`${host} is for people of ${allowed.map((name) => name ?? 'the one at the top').join(' and ')}`, () => {
      const admitted = [undefined, 'one', 'two'].filter((name) => admits(rules, at(host), of(name)))
      assert.deepEqual(admitted, allowed)
      const { requirements = [0] } = rules.policyFor(at(host)) as { requirements?: readonly number[] }
      const offered = [undefined, 'one', 'two'].filter((name) =>
        rules.admitsProvider(requirements, name && `id-of-${name}`),
      )
      assert.deepEqual(offered, allowed)
    })
  }

  test('a host that nobody can be sure of is for who may come to all of them', () => {
    for (const request of [
      { ...at('one.example.com'), unstated: 'request' },
      { ...at('one.example.com'), ambiguity: 'host_dot' },
    ] as const) {
      for (const name of [undefined, 'one', 'two']) assert.equal(admits(rules, request, of(name)), false)
    }
  })

  test('a public page names nobody of another provider', () => {
    const open = compiled([top, named('one', { hosts: ['one.example.com'] })], [aRule({ policy: 'public' })])
    assert.equal(open.policyFor(at('one.example.com')).kind, 'public')
    assert.equal(admits(open, at('one.example.com'), of(undefined)), false)
    assert.equal(admits(open, at('one.example.com'), of('one')), true)
  })

  test('where all have hosts, others are nobody’s', () => {
    const closed = compiled([named('one', { hosts: ['one.example.com'] })])
    assert.equal(admits(closed, at('other.example.com'), of('one')), false)
  })

  test('a policy is the same object each time: what is remembered with it stays', () => {
    assert.equal(rules.policyFor(at('one.example.com')), rules.policyFor(at('one.example.com')))
  })
})

describe('require.providers', () => {
  const rules = compiled(
    [top, named('one'), named('two')],
    [
      aRule({ path: '/one', require: aRequirement({ providers: ['one'] }) }),
      aRule({ path: '/top', require: aRequirement({ providers: ['default', 'two'] }) }),
    ],
  )
  for (const [path, allowed] of [
    ['/one', ['one']],
    ['/top', [undefined, 'two']],
    ['/', [undefined, 'one', 'two']],
  ] as const) {
    test(`${path} admits people of ${allowed.map((name) => name ?? 'the one at the top').join(', ')}`, () => {
      const admitted = [undefined, 'one', 'two'].filter((name) => admits(rules, at('app.example.com', path), of(name)))
      assert.deepEqual(admitted, allowed)
    })
  }
  test('says so before anything that somebody else’s claims say', () => {
    const policy = rules.policyFor(at('app.example.com', '/one'))
    assert.ok(policy.kind === 'login')
    const [requirement = 0] = policy.requirements
    assert.deepEqual(rules.meets(requirement, of('two')), { ok: false, reason: 'provider_not_allowed' })
  })
})
