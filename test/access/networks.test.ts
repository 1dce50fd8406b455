// Rules by the client's network: which rule holds for a client whose address is known, and for one of whom nobody knows it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { OriginalRequest, Policy } from '../../src/access/access.ts'
import { compileRules, ruleFindings } from '../../src/access/rules.ts'
import type { RuleConfig } from '../../src/config/config.ts'
import { anUpstream } from '../fixtures/upstream.ts'
import { aRequestFor, aRequirement, aRule, anAccess } from './fixtures.ts'

const rulesOf = (...rules: Partial<RuleConfig>[]) => compileRules({ access: anAccess({ rules: rules.map(aRule) }) })
const word = (policy: Policy) =>
  policy.kind === 'login' ? `login ${policy.requirements.join('+')}` : `${policy.kind} ${policy.reason}`

const ops = aRequirement({ groups: ['ops'] })
const staff = aRequirement({ groups: ['staff'] })

const members: [network: string, inside: string[], outside: string[]][] = [
  ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'], ['9.255.255.255', '11.0.0.0', '::a01:203']],
  ['192.0.2.7', ['192.0.2.7', '::ffff:c000:207'], ['192.0.2.6', '192.0.2.70']],
  ['::ffff:10.0.0.0/104', ['10.9.9.9', '::ffff:10.9.9.9'], ['11.0.0.1']],
  ['fd00::/8', ['fd00::1', 'FD12:0:0::1'], ['fe00::1', '253.0.0.1', '::ffff:253.0.0.1']],
  ['2001:db8::1', ['2001:db8::1', '2001:0db8:0:0::0001'], ['2001:db8::2']],
  // All of one family says nothing about the other.
  ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['::', '2001:db8::1']],
  ['::/0', ['::', '2001:db8::1'], ['10.0.0.1', '::ffff:10.0.0.1']],
]
for (const [network, inside, outside] of members) {
  test(`the network ${network} holds for its own addresses only (C14)`, () => {
    const rules = rulesOf({ networks: [network], policy: 'public' })
    for (const client of inside) assert.equal(word(rules.policyFor(aRequestFor('/x'), client)), 'public public_rule')
    for (const client of outside) assert.equal(word(rules.policyFor(aRequestFor('/x'), client)), 'login 0', client)
  })
}

type Expected = { inside: string; outside: string; unknown: string }
const table: [name: string, rules: Partial<RuleConfig>[], request: string, expected: Expected][] = [
  [
    'a rule that makes something public needs the address',
    [{ policy: 'public' }],
    '/x',
    { inside: 'public public_rule', outside: 'login 0', unknown: 'login 0' },
  ],
  [
    'a rule that denies holds for all of whom nobody knows better',
    [{ policy: 'deny' }],
    '/x',
    { inside: 'deny denied_by_rule', outside: 'login 0', unknown: 'deny denied_by_rule' },
  ],
  [
    'so does one that requires something',
    [{ require: ops }],
    '/x',
    { inside: 'login 1', outside: 'login 0', unknown: 'login 1' },
  ],
  [
    'a login from some networks, and nobody else: unknown is nobody',
    [{ policy: 'login' }, { networks: undefined, policy: 'deny' }],
    '/x',
    { inside: 'login 0', outside: 'deny denied_by_rule', unknown: 'deny denied_by_rule' },
  ],
  [
    'an easier login from some networks is not for who is unknown',
    [{ require: staff }, { networks: undefined, require: ops }],
    '/x',
    { inside: 'login 1', outside: 'login 2', unknown: 'login 1+2' },
  ],
  [
    'what is public for all stays closed to a network that comes before it',
    [{ policy: 'deny' }, { networks: undefined, policy: 'public' }],
    '/x',
    { inside: 'deny denied_by_rule', outside: 'public public_rule', unknown: 'deny denied_by_rule' },
  ],
  [
    'a rule for all that comes first is the first',
    [{ networks: undefined, policy: 'public' }, { policy: 'deny' }],
    '/x',
    { inside: 'public public_rule', outside: 'public public_rule', unknown: 'public public_rule' },
  ],
  [
    'two networks on one path',
    [
      { path: '/x', policy: 'public' },
      { path: '/x', networks: ['198.51.100.0/24'], policy: 'deny' },
      { path: '/x', networks: undefined, require: ops },
    ],
    '/x',
    { inside: 'public public_rule', outside: 'deny denied_by_rule', unknown: 'deny denied_by_rule' },
  ],
  [
    'a deeper path does not come before an earlier rule',
    [{ policy: 'deny' }, { path: '/x/y', networks: undefined, policy: 'public' }],
    '/x/y',
    { inside: 'deny denied_by_rule', outside: 'public public_rule', unknown: 'deny denied_by_rule' },
  ],
  [
    'with wildcards',
    [
      { path: '/*/y', policy: 'public' },
      { path: '/**', networks: undefined, policy: 'deny' },
    ],
    '/x/y',
    { inside: 'public public_rule', outside: 'deny denied_by_rule', unknown: 'deny denied_by_rule' },
  ],
  [
    'a method and a network must both hold',
    [
      { methods: ['POST'], policy: 'deny' },
      { networks: undefined, policy: 'public' },
    ],
    'GET /x',
    { inside: 'public public_rule', outside: 'public public_rule', unknown: 'public public_rule' },
  ],
  [
    'a host and a network must both hold',
    [
      { host: 'other.example.com', policy: 'deny' },
      { networks: undefined, policy: 'public' },
    ],
    '/x',
    { inside: 'public public_rule', outside: 'public public_rule', unknown: 'public public_rule' },
  ],
  [
    'another spelling of its path, where it restricts',
    [{ path: '/admin', policy: 'deny' }],
    '/Admin',
    { inside: 'deny denied_by_rule', outside: 'login 0', unknown: 'deny denied_by_rule' },
  ],
  [
    'another spelling is not public',
    [{ path: '/open', policy: 'public' }],
    '/Open',
    { inside: 'login 0', outside: 'login 0', unknown: 'login 0' },
  ],
  [
    'an ambiguous path is not public in any network',
    [{ policy: 'public' }],
    '/x//y',
    { inside: 'login 0', outside: 'login 0', unknown: 'login 0' },
  ],
  [
    'an ambiguous path and a rule that may be meant for this client',
    [{ path: '/admin', policy: 'deny' }],
    '/x//y',
    { inside: 'deny ambiguous_path', outside: 'login 0', unknown: 'deny ambiguous_path' },
  ],
]
const inside = '192.0.2.7'
const outside = '198.51.100.7'
for (const [name, given, request, expected] of table) {
  test(`by network: ${name} (C14)`, () => {
    const rules = rulesOf(...given.map((rule) => ({ networks: ['192.0.2.0/24', '2001:db8::/32'], ...rule })))
    const asked = aRequestFor(request)
    assert.deepEqual(
      {
        inside: word(rules.policyFor(asked, inside)),
        outside: word(rules.policyFor(asked, outside)),
        unknown: word(rules.policyFor(asked)),
      },
      expected,
    )
    // What is no address is not known, either.
    assert.equal(word(rules.policyFor(asked, 'unknown')), expected.unknown)
  })
}

const unstated: [what: 'method' | 'request', rules: Partial<RuleConfig>[], expected: Expected][] = [
  ['method', [{ policy: 'public' }], { inside: 'public public_rule', outside: 'login 0', unknown: 'login 0' }],
  ['method', [{ methods: ['GET'], policy: 'public' }], { inside: 'login 0', outside: 'login 0', unknown: 'login 0' }],
  [
    'method',
    [{ methods: ['POST'], policy: 'deny' }],
    { inside: 'deny denied_by_rule', outside: 'login 0', unknown: 'deny denied_by_rule' },
  ],
  ['request', [{ policy: 'public' }], { inside: 'login 0', outside: 'login 0', unknown: 'login 0' }],
  [
    'request',
    [{ path: '/y', policy: 'deny' }],
    { inside: 'deny request_not_stated', outside: 'login 0', unknown: 'deny request_not_stated' },
  ],
  [
    'request',
    [
      { path: '/y', require: staff },
      { networks: undefined, require: ops },
    ],
    { inside: 'login 1+2', outside: 'login 2', unknown: 'login 1+2' },
  ],
]
for (const [what, given, expected] of unstated) {
  test(`by network, and the ${what} is not stated: ${JSON.stringify(given)} (C14)`, () => {
    const rules = rulesOf(...given.map((rule) => ({ networks: ['192.0.2.0/24'], ...rule })))
    const asked: OriginalRequest = { ...aRequestFor('/x'), unstated: what }
    assert.deepEqual(
      {
        inside: word(rules.policyFor(asked, inside)),
        outside: word(rules.policyFor(asked, outside)),
        unknown: word(rules.policyFor(asked)),
      },
      expected,
    )
  })
}

test('whatever the rules, who is unknown is refused whatever somebody with an address is refused (C14)', () => {
  const segment = fc.constantFrom('', '/a', '/A', '/a/b', '/*', '/**', '/**/b')
  const rule = fc.record({
    path: segment.map((text) => text || '/'),
    methods: fc.constantFrom(undefined, ['GET'], ['POST']),
    networks: fc.constantFrom(undefined, ['192.0.2.0/24'], ['198.51.100.0/24'], ['0.0.0.0/0'], ['2001:db8::/32']),
    policy: fc.constantFrom('public' as const, 'deny' as const, 'login' as const),
    group: fc.constantFrom(undefined, 'ops', 'staff'),
  })
  const request = fc.constantFrom('/', '/a', '/A', '/a/b', '/a//b', 'POST /a', '/c')
  const client = fc.constantFrom(inside, outside, '203.0.113.1', '2001:db8::1', '::ffff:192.0.2.1')
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 6 }),
      request,
      client,
      fc.constantFrom(undefined, 'method' as const, 'request' as const),
      (given, asked, address, what) => {
        const rules = rulesOf(
          ...given.map(({ group, ...rest }) => ({
            ...rest,
            require: group === undefined || rest.policy !== 'login' ? undefined : aRequirement({ groups: [group] }),
          })),
        )
        const original = { ...aRequestFor(asked), ...(what !== undefined && { unstated: what }) }
        const known = rules.policyFor(original, address)
        const unknown = rules.policyFor(original)
        if (known.kind === 'deny') assert.equal(unknown.kind, 'deny')
        if (unknown.kind === 'public') assert.equal(known.kind, 'public')
        if (known.kind === 'login' && unknown.kind === 'login') {
          for (const number of known.requirements) assert.ok(number === 0 || unknown.requirements.includes(number))
        }
      },
    ),
    { numRuns: 5_000 },
  )
})

test('the rules of an upstream have their own networks, and say whether they need the address (C14)', () => {
  const rules = compileRules({
    access: anAccess({ rules: [aRule({ path: '/a', policy: 'deny' })] }),
    upstreams: [anUpstream({ rules: [aRule({ networks: ['192.0.2.0/24'], policy: 'public' })] }), anUpstream()],
  })
  assert.deepEqual(
    [rules, rules.forUpstream(0), rules.forUpstream(1)].map((one) => one.usesNetworks),
    [false, true, false],
  )
  assert.equal(word(rules.forUpstream(0).policyFor(aRequestFor('/a'), inside)), 'public public_rule')
  assert.equal(word(rules.forUpstream(0).policyFor(aRequestFor('/a'), outside)), 'deny denied_by_rule')
})

test('the same requirement in two networks is one, so a verdict that a session keeps means the same in both (C14)', () => {
  const rules = rulesOf({ networks: ['192.0.2.0/24'], require: ops }, { require: ops }, { policy: 'deny' })
  assert.equal(word(rules.policyFor(aRequestFor('/x'), inside)), 'login 1')
  assert.equal(word(rules.policyFor(aRequestFor('/x'), outside)), 'login 1')
})

test('networks that could not work are findings, each by its place (C14)', () => {
  const access = anAccess({
    rules: [aRule({ networks: [] }), aRule({ networks: ['10.0.0.0/8', 'lan', '10.0.0.1/8'] })],
  })
  assert.deepEqual(
    ruleFindings({ access }).map(({ path }) => path.join('.')),
    ['rules.0.networks', 'rules.1.networks.1', 'rules.1.networks.2'],
  )
})
