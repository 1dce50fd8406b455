import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compileRules } from '../../src/access/rules.ts'
import type { RuleConfig } from '../../src/config/config.ts'
import { ConfigInvalid } from '../../src/errors.ts'
import { anUpstream } from '../fixtures/upstream.ts'
import { aRequestFor, aRequirement, aRule, anAccess, anIdentity } from './fixtures.ts'

const rulesOf = (...rules: Partial<RuleConfig>[]) => compileRules({ access: anAccess({ rules: rules.map(aRule) }) })

/** One word per policy, so that tables read well. */
function decided(rules: ReturnType<typeof compileRules>, request: string): string {
  const policy = rules.policyFor(aRequestFor(request))
  return policy.kind === 'login' ? `login ${policy.requirements.join('+')}` : policy.reason
}

test('without any rule every request needs a login that meets the global requirement', () => {
  for (const request of ['/', '/favicon.ico', '//', 'OPTIONS /x', 'GET http://127.0.0.1:8080/']) {
    assert.equal(decided(compileRules({ access: anAccess() }), request), 'login 0')
  }
})

const paths: [pattern: string, matches: string[], doesNotMatch: string[]][] = [
  [
    '/public',
    ['/public', '/public/', '/public/x', '/public?x=1', '/public/a/b/c'],
    ['/publicsecret', '/', '/x/public', '/Public'],
  ],
  ['/public/', ['/public', '/public/', '/public/x'], ['/publicsecret']],
  ['/', ['/', '/x', '/x/y', '/?a'], []],
  ['/a/b', ['/a/b', '/a/b/c'], ['/a', '/a/', '/a/bc', '/b']],
  ['/api/*', ['/api/v1', '/api/v1/', '/api/v1/users'], ['/api', '/api/', '/apis/x']],
  ['/api/*/docs', ['/api/v1/docs', '/api/v1/docs/x'], ['/api/docs', '/api/v1/x/docs', '/api/v1/docsx']],
  ['/*', ['/a', '/a/b'], ['/']],
  ['/*/*', ['/a/b', '/a/b/c'], ['/a', '/a/']],
  ['/**', ['/', '/a', '/a/b'], []],
  ['/a/**', ['/a', '/a/', '/a/b/c'], ['/ab', '/']],
  ['/**/health', ['/health', '/a/health', '/a/b/health', '/a/health/x'], ['/', '/a', '/healthy', '/a/healthz']],
  ['/a/**/b/*/c', ['/a/b/x/c', '/a/1/2/b/x/c', '/a/b/b/b/c', '/a/b/x/y/b/z/c/more'], ['/a/b/c', '/a/x/c', '/b/x/c']],
  ['/**/**/x', ['/x', '/a/x'], ['/y']],
  ['/café', ['/caf%C3%A9', '/cafe%CC%81/x'], ['/cafe']],
  ['/caf%C3%A9', ['/caf%C3%A9'], ['/cafe']],
  ['/a b', ['/a%20b'], ['/a', '/a+b']],
  ['/constructor', ['/constructor'], ['/toString', '/__proto__']],
]
for (const [pattern, matches, doesNotMatch] of paths) {
  test(`the path ${pattern} is a prefix that ends at a segment boundary`, () => {
    for (const rules of [
      rulesOf({ path: pattern, policy: 'public' }),
      compileRules({ access: anAccess({ excludedURLs: [pattern] }) }),
    ]) {
      for (const path of matches) assert.match(decided(rules, path), /public_rule|excluded_url/, path)
      for (const path of doesNotMatch) assert.equal(decided(rules, path), 'login 0', path)
    }
  })
}

const hosts: [pattern: string, matches: string[], doesNotMatch: string[]][] = [
  [
    'app.example.com',
    ['app.example.com', 'app.example.com:443', 'app.example.com:8443'],
    ['example.com', 'xapp.example.com', 'app.example.com.evil.example'],
  ],
  ['APP.example.com.', ['app.example.com'], ['example.com']],
  ['app.example.com:8443', ['app.example.com:8443'], ['app.example.com', 'app.example.com:8444']],
  [
    '*.example.com',
    ['app.example.com', 'a.b.example.com', 'app.example.com:8443'],
    ['example.com', 'badexample.com', 'example.com.evil.example'],
  ],
  ['*', ['app.example.com', '127.0.0.1', '[::1]:8443'], []],
  ['[::1]', ['[::1]', '[::1]:8443'], ['[::2]', '127.0.0.1']],
  ['127.0.0.1', ['127.0.0.1:8080'], ['127.0.0.2']],
]
for (const [pattern, matches, doesNotMatch] of hosts) {
  test(`the host ${pattern} holds for its own names only`, () => {
    const rules = rulesOf({ host: pattern, policy: 'public' })
    for (const host of matches) assert.equal(decided(rules, `https://${host}/x`), 'public_rule', host)
    for (const host of doesNotMatch) assert.equal(decided(rules, `https://${host}/x`), 'login 0', host)
  })
}

test('the first matching rule wins, whichever is the more specific', () => {
  const rules = rulesOf(
    { path: '/api/public', policy: 'public' },
    { path: '/api', policy: 'deny' },
    { path: '/api/late', policy: 'public' },
    { host: 'app.example.com', path: '/**/open', policy: 'public' },
    { host: '*.example.com', policy: 'deny' },
  )
  assert.equal(decided(rules, '/api/public/x'), 'public_rule')
  assert.equal(decided(rules, '/api/late'), 'denied_by_rule')
  assert.equal(decided(rules, '/x/open'), 'public_rule')
  assert.equal(decided(rules, '/x'), 'denied_by_rule')
  assert.equal(decided(rules, 'https://other.example.com/x/open'), 'denied_by_rule')
  assert.equal(decided(rules, 'https://elsewhere.example/x'), 'login 0')
})

test('rules come before excludedURLs, which come before the login', () => {
  const access = anAccess({
    excludedURLs: ['/public'],
    rules: [aRule({ path: '/public/not', policy: 'deny' }), aRule({ path: '/public/app', policy: 'login' })],
  })
  const rules = compileRules({ access })
  assert.equal(decided(rules, '/public'), 'excluded_url')
  assert.equal(decided(rules, '/public/not'), 'denied_by_rule')
  assert.equal(decided(rules, '/public/app'), 'login 0')
  assert.equal(decided(rules, '/'), 'login 0')
})

test('methods limit a rule, in any case; a rule for GET holds for HEAD', () => {
  const rules = rulesOf(
    { path: '/x', methods: ['get', 'OPTIONS'], policy: 'public' },
    { path: '/x', methods: ['DELETE'], policy: 'deny' },
  )
  assert.equal(decided(rules, 'GET /x'), 'public_rule')
  assert.equal(decided(rules, 'HEAD /x'), 'public_rule')
  assert.equal(decided(rules, 'OPTIONS /x'), 'public_rule')
  assert.equal(decided(rules, 'POST /x'), 'login 0')
  assert.equal(decided(rules, 'DELETE /x/y'), 'denied_by_rule')
  assert.equal(decided(rulesOf({ methods: ['GET'], policy: 'deny' }), 'HEAD /x'), 'denied_by_rule')
})

test('a lower-case method is ambiguous: it gets nothing public', () => {
  assert.equal(decided(rulesOf({ methods: ['GET'], policy: 'public' }), 'get /x'), 'login 0')
})

test('a rule that asks for nothing more than a login has the global requirement', () => {
  assert.equal(decided(rulesOf({ policy: 'login' }), '/'), 'login 0')
  assert.equal(decided(rulesOf({ policy: 'login', require: aRequirement() }), '/'), 'login 0')
})

test('the require of a rule is checked on top of the global allow lists', () => {
  const rules = compileRules({
    access: anAccess({
      allowedUserDomains: ['example.com'],
      rules: [aRule({ path: '/admin', require: aRequirement({ groups: ['admins'] }) })],
    }),
  })
  assert.equal(decided(rules, '/admin'), 'login 1')
  const admin = { email: 'alice@example.com', groups: ['admins'] }
  assert.deepEqual(rules.meets(1, anIdentity(admin)), { ok: true })
  assert.deepEqual(rules.meets(1, anIdentity({ ...admin, email: 'alice@evil.example' })), {
    ok: false,
    reason: 'user_not_allowed',
  })
  assert.deepEqual(rules.meets(1, anIdentity({ ...admin, groups: [] })), { ok: false, reason: 'group_not_allowed' })
  assert.deepEqual(rules.meets(0, anIdentity({ email: 'bob@example.com' })), { ok: true })
})

test('equal requirements have one number, so that a remembered verdict serves them all', () => {
  const rules = rulesOf(
    { path: '/a', require: aRequirement({ groups: ['a'] }) },
    { path: '/b', require: aRequirement({ groups: ['a'] }) },
    { path: '/c', require: aRequirement({ groups: ['b'] }) },
  )
  assert.deepEqual(
    ['/a', '/b', '/c'].map((path) => decided(rules, path)),
    ['login 1', 'login 1', 'login 2'],
  )
})

test('a requirement number that does not exist is an error rather than a verdict', () => {
  assert.throws(() => rulesOf().meets(1, anIdentity()), RangeError)
  assert.throws(() => rulesOf().forUpstream(0), RangeError)
})

test('the rules of an upstream come first for its requests and concern no others', () => {
  const rules = compileRules({
    access: anAccess({
      rules: [
        aRule({ path: '/admin', policy: 'deny' }),
        aRule({ path: '/g', require: aRequirement({ groups: ['g'] }) }),
      ],
    }),
    upstreams: [
      anUpstream({
        rules: [
          aRule({ path: '/admin/help', policy: 'public' }),
          aRule({ path: '/r', require: aRequirement({ roles: ['r'] }) }),
        ],
      }),
      anUpstream(),
    ],
  })
  const decide = (at: number, request: string) => rules.forUpstream(at).policyFor(aRequestFor(request))
  assert.deepEqual(decide(0, '/admin/help'), { kind: 'public', reason: 'public_rule' })
  assert.deepEqual(decide(0, '/admin'), { kind: 'deny', reason: 'denied_by_rule' })
  assert.deepEqual(decide(1, '/admin/help'), { kind: 'deny', reason: 'denied_by_rule' })
  assert.equal(decided(rules, '/admin/help'), 'denied_by_rule')
  // One numbering for all: what is remembered for one upstream cannot be taken for another's.
  assert.deepEqual(decide(0, '/g'), rules.policyFor(aRequestFor('/g')))
  const role = decide(0, '/r')
  assert.ok(role.kind === 'login' && role.requirements[0] === 2)
  assert.deepEqual(rules.meets(2, anIdentity({ roles: ['r'] })), { ok: true })
  assert.deepEqual(rules.meets(2, anIdentity({ groups: ['g'] })), { ok: false, reason: 'role_not_allowed' })
})

// --- Ambiguity and the advisories about matching -----------------------------------------------------------------------

const ambiguous = [
  '/public/../admin',
  '/public/%2e%2e/admin',
  '/public//x',
  '/public/..%2fadmin',
  '/public;/x',
  '/public%5cx',
  '/public%00',
  '/public/%252e%252e',
  '/public#x',
  '/public%23',
  '/public/%c0%af',
  '/public/\xe9',
]

test('an ambiguous path is never public, and a session passes it where no rule demands more (GitLab and its %2F)', () => {
  const rules = compileRules({ access: anAccess({ excludedURLs: ['/'], rules: [aRule({ policy: 'public' })] }) })
  for (const path of ambiguous) assert.equal(decided(rules, path), 'login 0', path)
  assert.equal(decided(rules, '/api/v4/projects/group%2Fproject'), 'login 0')
})

for (const [what, restriction] of [
  ['denies', { path: '/admin', policy: 'deny' }],
  ['requires something', { path: '/admin', require: aRequirement({ groups: ['admins'] }) }],
] as const) {
  test(`an ambiguous path is refused on a host where a rule ${what}`, () => {
    const rules = rulesOf({ path: '/public', policy: 'public' }, { host: 'app.example.com', ...restriction })
    for (const path of ambiguous) assert.equal(decided(rules, path), 'ambiguous_path', path)
    assert.equal(decided(rules, 'https://other.example.com//x'), 'login 0')
    // Whose host it is cannot be told either.
    assert.equal(decided(rules, 'https://Other.example.com/x'), 'ambiguous_path')
    assert.equal(decided(rulesOf(restriction), 'https://other.example.com//x'), 'ambiguous_path')
  })
}

// --- What nobody said ----------------------------------------------------------------------------------------------------

const unstated: [what: 'method' | 'request', rules: Partial<RuleConfig>[], expected: string][] = [
  ['method', [{ path: '/x', policy: 'public' }], 'public_rule'],
  ['method', [{ path: '/x', methods: ['GET'], policy: 'public' }], 'login 0'],
  ['method', [{ path: '/x', methods: ['POST'], policy: 'deny' }], 'denied_by_rule'],
  ['method', [{ path: '/y', methods: ['POST'], policy: 'deny' }], 'login 0'],
  ['method', [{ path: '/x', methods: ['POST'] }, { policy: 'public' }], 'login 0'],
  ['method', [{ policy: 'public' }, { path: '/x', methods: ['POST'], policy: 'deny' }], 'public_rule'],
  ['method', [{ path: '/x', methods: ['POST'], require: aRequirement({ groups: ['g'] }) }], 'login 1'],
  ['method', [{ path: '/X', methods: ['POST'], require: aRequirement({ groups: ['g'] }) }], 'login 1'],
  ['request', [{ policy: 'public' }], 'login 0'],
  [
    'request',
    [
      { host: 'app.example.com', policy: 'public' },
      { methods: ['GET'], policy: 'public' },
    ],
    'login 0',
  ],
  ['request', [{ policy: 'login' }], 'login 0'],
  ['request', [{ host: 'other.example', path: '/y', policy: 'deny' }], 'request_not_stated'],
  ['request', [{ policy: 'public' }, { require: aRequirement({ groups: ['g'] }) }], 'login 1'],
  [
    'request',
    [
      { host: 'other.example', require: aRequirement({ groups: ['g'] }) },
      { path: '/y', methods: ['POST'], require: aRequirement({ groups: ['h'] }) },
    ],
    'login 1+2',
  ],
]
for (const [what, given, expected] of unstated) {
  test(`the ${what} is not stated, and the rules are ${JSON.stringify(given)}: ${expected} (B3)`, () => {
    const policy = rulesOf(...given).policyFor({ ...aRequestFor('/x'), unstated: what })
    assert.equal(policy.kind === 'login' ? `login ${policy.requirements.join('+')}` : policy.reason, expected)
  })
}

const advisories: [name: string, excluded: string, request: string][] = [
  ['oauth2-proxy CVE-2025-54576: the query never matches', '/public', '/private?x=/public'],
  ['oauth2-proxy CVE-2025-54576: nor does a query that looks like a path', '/public', '/?/public'],
  ['oauth2-proxy CVE-2026-41059: # does not widen a path', '/foo/*/bar', '/foo/secret#/bar'],
  ['oauth2-proxy CVE-2026-41059: %23 does not widen a path', '/foo/*/bar', '/foo/secret%23/bar'],
  ['Oathkeeper CVE-2026-33494: dot segments do not cross a rule', '/public', '/public/../private'],
  ['Oathkeeper CVE-2026-33494: nor encoded ones', '/public', '/public/%2e%2e/private'],
  ['Authelia CVE-2026-48794: an upper-case host matches no public rule', '/', 'https://a.B.example.com/'],
  ['Skipper: // is a path, not an authority', '/public', '//app.example.com/public'],
  ['plugin [A]: a prefix ends at a segment boundary', '/public', '/publicsecret'],
  ['proxy packages CVE-2026-127060: ; does not hide dot segments', '/public', '/public/..;/private'],
  ['path confusion: case counts', '/public', '/PUBLIC/x'],
  ['path confusion: overlong UTF-8', '/public', '/public/%c0%ae%c0%ae/private'],
  ['path confusion: double encoding', '/public', '/public/%252e%252e/private'],
  ['path confusion: NUL', '/public', '/public%00/../private'],
]
for (const [name, excluded, request] of advisories) {
  test(name, () =>
    assert.equal(decided(compileRules({ access: anAccess({ excludedURLs: [excluded] }) }), request), 'login 0'),
  )
}

test('GHSA-652x: a rule that could not work is an error at start, and each is named', () => {
  const wrong: [Partial<RuleConfig>, RegExp][] = [
    [{ path: 'public' }, /rules\[0\]\.path: must start with/],
    [{ path: '/assets/*.css' }, /whole segments/],
    [{ path: '/a/../b' }, /dot_segment/],
    [{ path: '/a%2fb' }, /encoded_slash/],
    [{ path: '/a;b' }, /parameter/],
    [{ path: '/a?b' }, /query/],
    [{ path: '/a\tb' }, /control byte/],
    [{ host: 'https://app.example.com' }, /rules\[0\]\.host: must be a host name/],
    [{ host: 'app.*.com' }, /must be a host name/],
    [{ host: '' }, /must be a host name/],
    [{ host: 'app.example.com:443' }, /leave it out/],
    [{ methods: [] }, /rules\[0\]\.methods/],
    [{ methods: ['*'] }, /must be a list of HTTP methods/],
    [{ policy: 'public', require: aRequirement({ groups: ['a'] }) }, /rules\[0\]\.require/],
    [{ policy: 'deny', require: aRequirement({ users: ['a'] }) }, /rules\[0\]\.require/],
  ]
  for (const [rule, message] of wrong)
    assert.throws(() => rulesOf(rule), { name: 'Error', code: 'CONFIG_INVALID', message })
  assert.throws(
    () => compileRules({ access: anAccess({ excludedURLs: ['/a', 'b'] }) }),
    /excludedURLs\[1\]: must start/,
  )
  assert.throws(
    () => compileRules({ access: anAccess(), upstreams: [anUpstream({ rules: [aRule({ path: 'x' })] })] }),
    /upstreams\[0\]\.rules\[0\]\.path/,
  )
  assert.throws(
    () =>
      compileRules({
        access: anAccess({ rules: [aRule({ path: 'x' })], excludedURLs: ['y'] }),
        upstreams: [anUpstream({ rules: [aRule()] })],
      }),
    (error) => error instanceof ConfigInvalid && error.problems.length === 2,
  )
})

// --- Properties ----------------------------------------------------------------------------------------------------------

const segment = fc.constantFrom('a', 'b', 'c')
const pattern = fc
  .array(fc.oneof(segment, fc.constantFrom('*', '**')), { maxLength: 5 })
  .map((parts) => `/${parts.join('/')}`)
const path = fc.array(segment, { maxLength: 7 }).map((parts) => `/${parts.join('/')}`)

test('the trie decides like trying one rule after the other', () => {
  const rule = fc.record({
    path: pattern,
    host: fc.constantFrom(undefined, 'app.example.com', '*.example.com', 'other.example'),
    methods: fc.constantFrom<(string[] | undefined)[]>(undefined, ['GET'], ['POST', 'PUT']),
    policy: fc.constantFrom('public' as const, 'deny' as const, 'login' as const),
  })
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 12 }), path, fc.constantFrom('GET', 'POST'), (given, asked, method) => {
      const first = given.find(
        (candidate) =>
          candidate.host !== 'other.example' &&
          (candidate.methods === undefined || candidate.methods.includes(method)) &&
          asRegExp(candidate.path).test(asked),
      )
      const expected = { public: 'public_rule', deny: 'denied_by_rule', login: 'login 0' }[first?.policy ?? 'login']
      assert.equal(decided(rulesOf(...given), `${method} ${asked}`), expected)
    }),
    { numRuns: 3_000 },
  )
})

/** The same semantics, written the slow and obvious way. */
function asRegExp(given: string): RegExp {
  const parts = given.split('/').filter((part) => part !== '')
  return new RegExp(
    `^${parts.map((part) => (part === '**' ? '(?:/[^/]+)*' : part === '*' ? '/[^/]+' : `/${part}`)).join('')}(?:/|$)`,
  )
}

test('whatever the rules, an ambiguous request is never public', () => {
  const rule = fc.record({
    path: pattern,
    policy: fc.constantFrom('public' as const, 'deny' as const, 'login' as const),
  })
  const trick = fc.constantFrom('//', '/../', '/%2e/', '%2f', '%5c', ';', '%00', '%2561', '#', '%ff')
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 6 }),
      fc.array(pattern),
      path,
      trick,
      (given, excludedURLs, asked, what) => {
        const rules = compileRules({ access: anAccess({ rules: given.map(aRule), excludedURLs }) })
        assert.notEqual(rules.policyFor(aRequestFor(`${asked}${what}a`)).kind, 'public')
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a path made to be slow is not: 2,500 segments against 200 patterns with **', { timeout: 10_000 }, () => {
  const rules = rulesOf(
    ...Array.from({ length: 200 }, (_, index) => ({ path: `/**/a${index}/**/z`, policy: 'public' as const })),
  )
  const hostile = `/${Array.from({ length: 2_500 }, (_, index) => `a${index % 200}`).join('/')}`
  const before = process.cpuUsage().user
  assert.equal(decided(rules, hostile), 'login 0')
  assert.ok(process.cpuUsage().user - before < 2_000_000)
})
