// A rule that restricts a path holds for every spelling that some application takes for that path; one that opens a path holds for
// none but its own.
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import express from 'express'
import * as fc from 'fast-check'
import type { Policy } from '../../src/access/access.ts'
import { lenientForm } from '../../src/access/lenient-path.ts'
import { compileRules } from '../../src/access/rules.ts'
import type { AccessConfig, RuleConfig } from '../../src/config/config.ts'
import { anUpstream } from '../fixtures/upstream.ts'
import { aRequestFor, aRequirement, aRule, anAccess } from './fixtures.ts'

const needs = (group: string) => ({ require: aRequirement({ groups: [group] }) })
const rulesOf = (rules: Partial<RuleConfig>[], access: Partial<AccessConfig> = {}) =>
  compileRules({ access: anAccess({ rules: rules.map(aRule), ...access }) })
const word = (policy: Policy) => (policy.kind === 'login' ? `login ${policy.requirements.join('+')}` : policy.reason)
const decided = (rules: ReturnType<typeof compileRules>, request: string) => word(rules.policyFor(aRequestFor(request)))

const spellings = [
  '/Admin',
  '/ADMIN/users',
  '/aDMIN/',
  '/admin.',
  '/admin...',
  '/admin%20',
  '/admin.%20./users',
  '/%20admin',
  '/admin%2e',
  '/%41dmin',
  '/%41DMIN%2E/users',
  '/.../admin',
  '/admin::$DATA',
  '/admin:$i30:$INDEX_ALLOCATION',
  '/Admin::$INDEX_ALLOCATION/users',
  '/%EF%BD%81dmin',
  '/adm%C4%B1n',
  '/adm%C4%B0n',
  '/ad%C2%ADmin',
  '/admin%E2%80%8B',
  '/admin%C2%A0',
]
for (const spelling of spellings) {
  test(`${spelling} does not escape a rule for /admin (B4)`, () => {
    assert.equal(decided(rulesOf([{ path: '/admin', policy: 'deny' }]), spelling), 'denied_by_rule')
    assert.equal(decided(rulesOf([{ path: '/admin', ...needs('admins') }]), spelling), 'login 1')
    // A rule that asks for a login and nothing more closes what a later one opens.
    assert.equal(decided(rulesOf([{ path: '/admin' }, { policy: 'public' }]), spelling), 'login 0')
    assert.equal(decided(rulesOf([{ path: '/admin' }], { excludedURLs: ['/'] }), spelling), 'login 0')
  })

  test(`${spelling} is not public because /admin is (B4)`, () => {
    assert.equal(decided(rulesOf([{ path: '/admin', policy: 'public' }]), spelling), 'login 0')
    assert.equal(decided(rulesOf([], { excludedURLs: ['/admin'] }), spelling), 'login 0')
  })
}

for (const spelling of [
  '/admin;x',
  '/admin;/users',
  '//admin',
  '/admin//users',
  '/admin%2fusers',
  '/%2561dmin',
  '/admin\\',
  '/x/../admin',
]) {
  test(`${spelling} does not escape a rule for /admin: it could mean it, so it is refused (B4)`, () => {
    const rules = rulesOf([{ path: '/admin', ...needs('admins') }, { policy: 'public' }])
    assert.equal(decided(rules, spelling), 'ambiguous_path')
  })
}

const orders: [name: string, rules: Partial<RuleConfig>[], request: string, expected: string][] = [
  ['a rule in another case holds, too', [{ path: '/Admin', policy: 'deny' }], '/admin', 'denied_by_rule'],
  ['so does one with a dot', [{ path: '/admin.', policy: 'deny' }], '/admin', 'denied_by_rule'],
  ['a rule of dots alone closes itself, not everything', [{ path: '/...', policy: 'deny' }], '/a', 'login 0'],
  ['and itself it does close', [{ path: '/...', policy: 'deny' }], '/.../a', 'denied_by_rule'],
  [
    'an exact match in front of it counts',
    [
      { path: '/Admin', policy: 'public' },
      { path: '/admin', policy: 'deny' },
    ],
    '/Admin',
    'public_rule',
  ],
  [
    'an exact match behind it does not open',
    [
      { path: '/admin', ...needs('a') },
      { path: '/Admin', policy: 'public' },
    ],
    '/Admin',
    'login 1',
  ],
  [
    'two areas that differ in case only: both are asked for, where the second is meant',
    [
      { path: '/a', ...needs('a') },
      { path: '/A', ...needs('b') },
    ],
    '/A',
    'login 1+2',
  ],
  [
    'what is open below a closed path is closed in another spelling',
    [
      { path: '/admin/login', policy: 'public' },
      { path: '/admin', ...needs('a') },
    ],
    '/Admin/login',
    'login 1',
  ],
  [
    'and open in its own',
    [
      { path: '/admin/login', policy: 'public' },
      { path: '/admin', ...needs('a') },
    ],
    '/admin/login/x',
    'public_rule',
  ],
  [
    'an application may be strict for one part only: every rule that could be meant is to be met',
    [
      { path: '/admin/users', ...needs('a') },
      { path: '/admin', ...needs('b') },
    ],
    '/Admin/Users',
    'login 1+2',
  ],
  [
    'exactly spelt, the first rule alone counts',
    [
      { path: '/admin/users', ...needs('a') },
      { path: '/admin', ...needs('b') },
    ],
    '/admin/users/Bob',
    'login 1',
  ],
  ['wildcards', [{ path: '/api/*/Keys/**', policy: 'deny' }], '/API/v1/keys.', 'denied_by_rule'],
  ['methods', [{ path: '/x', methods: ['DELETE'], policy: 'deny' }], 'DELETE /X', 'denied_by_rule'],
  ['other methods', [{ path: '/x', methods: ['DELETE'], policy: 'deny' }], 'POST /X', 'login 0'],
  ['another host is not concerned', [{ host: 'b.example', path: '/x', policy: 'deny' }], '/X', 'login 0'],
  [
    'a host of its own and one for all',
    [{ host: '*.example.com', path: '/x', ...needs('a') }, { path: '/y/Z', ...needs('b') }, { policy: 'public' }],
    '/X',
    'login 1',
  ],
]
for (const [name, rules, request, expected] of orders) {
  test(`other spellings, ${name} (B4)`, () => assert.equal(decided(rulesOf(rules), request), expected))
}

test('an upstream’s own rules are not escaped either (B4)', () => {
  const rules = compileRules({
    access: anAccess({ excludedURLs: ['/'] }),
    upstreams: [anUpstream({ rules: [aRule({ path: '/admin', policy: 'deny' })] })],
  })
  assert.equal(word(rules.forUpstream(0).policyFor(aRequestFor('/Admin'))), 'denied_by_rule')
})

const extensions: [ignored: string[], request: string, expected: string][] = [
  [[], '/admin.json', 'public_rule'],
  [['json'], '/admin.json', 'login 1'],
  [['json'], '/Admin.JSON', 'login 1'],
  [['json'], '/admin.json/users', 'login 1'],
  [['json'], '/admin.json.', 'login 1'],
  [['json'], '/admin.json.json', 'login 1'],
  [['json'], '/admin.xml', 'public_rule'],
  [['*'], '/admin.xml', 'login 1'],
  [['*'], '/.well-known', 'public_rule'],
]
for (const [ignored, request, expected] of extensions) {
  test(`where routers drop [${ignored.join()}], ${request} under a rule for /admin is: ${expected} (B4)`, () => {
    const rules = rulesOf([{ path: '/admin', ...needs('a') }, { policy: 'public' }], { ignoredExtensions: ignored })
    assert.equal(decided(rules, request), expected)
  })
}

test('where routers drop an extension, a public path is public without it only (B4)', () => {
  const rules = rulesOf([{ path: '/admin', policy: 'public' }], { ignoredExtensions: ['json'] })
  assert.deepEqual(
    ['/admin', '/admin.json'].map((path) => decided(rules, path)),
    ['public_rule', 'login 0'],
  )
})

// --- Properties --------------------------------------------------------------------------------------------------------

/** Ways of writing one path: each letter in either case, perhaps encoded, with things around it that some reader drops. */
const spelt = (path: string) =>
  fc
    .tuple(
      fc.boolean(),
      fc.array(
        fc.tuple(fc.nat({ max: 7 }), fc.constantFrom('', '', '', '.', '%20', '%2e', ';v=1', '/', '%09', '.json')),
        {
          minLength: path.length,
          maxLength: path.length,
        },
      ),
    )
    .map(([isCaseOnly, choices]) =>
      path
        .split('')
        .map((letter, at) => {
          const [way, dropped] = choices[at] ?? [7, '']
          if (way === 0) return letter.toUpperCase()
          if (isCaseOnly || at === 0) return letter
          const written = way === 1 ? `%${letter.charCodeAt(0).toString(16)}` : letter
          const isEnd = letter !== '/' && (path[at + 1] ?? '/') === '/'
          return isEnd ? written + dropped : written
        })
        .join(''),
    )

/** Decodes, folds, trims, collapses: whatever a router could do. */
function mostLenient(target: string): string {
  let path = target.split(/[?#]/)[0] ?? ''
  for (let times = 0; times < 3; times++)
    path = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return path
    .toLowerCase()
    .replaceAll('\\', '/')
    .split('/')
    .map(
      (segment) =>
        segment
          .split(';')[0]
          ?.trim()
          .replace(/[. ]+$/, '')
          .replace(/\.json$/, '')
          .trim() ?? '',
    )
    .filter((segment) => segment !== '')
    .join('/')
}

const routed = express.Router().get('/admin/users', (request) => void Object.assign(request, { isHit: true }))
function reachesExpress(url: string): boolean {
  const request = { url, method: 'GET', isHit: false } as unknown as IncomingMessage & { isHit: boolean }
  routed(request, {} as ServerResponse, () => {})
  return request.isHit
}

for (const [who, reaches] of [
  ['Express', reachesExpress],
  ['the most lenient router', (url: string) => mostLenient(url).startsWith('admin/users')],
] as const) {
  test(`whatever ${who} routes to a protected handler is neither public nor open to everybody with a session (B4)`, () => {
    const rules = rulesOf([{ path: '/admin/users', ...needs('admins') }, { policy: 'public' }], {
      ignoredExtensions: ['json'],
    })
    let hits = 0
    fc.assert(
      fc.property(spelt('/admin/users'), fc.constantFrom('', '/', '?x=/public', '/Bob'), (path, rest) => {
        const url = path + rest
        if (!reaches(url)) return
        hits++
        assert.match(decided(rules, url), /^(?:login 1|ambiguous_path)$/, url)
      }),
      { numRuns: 5_000 },
    )
    assert.ok(hits > 20, `only ${hits} of the spellings were routed`)
  })
}

test('the tries decide like trying one rule after the other, in every spelling (B4)', () => {
  const segment = fc.constantFrom('a', 'A', 'a.', 'b', 'B')
  const pattern = fc
    .array(fc.oneof(segment, fc.constantFrom('*', '**')), { maxLength: 4 })
    .map((all) => `/${all.join('/')}`)
  const rule = fc.record({
    path: pattern,
    methods: fc.constantFrom<(string[] | undefined)[]>(undefined, ['POST']),
    policy: fc.constantFrom('public' as const, 'deny' as const, 'login' as const),
    group: fc.constantFrom(undefined, 'g'),
  })
  const form = lenientForm([])
  const prefix = (path: string) =>
    new RegExp(
      `^${path
        .split('/')
        .filter((part) => part !== '')
        .map((part) => (part === '**' ? '(?:/[^/]+)*' : part === '*' ? '/[^/]+' : `/${part.replaceAll('.', '[.]')}`))
        .join('')}(?:/|$)`,
    )
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 6 }),
      fc.array(segment, { maxLength: 5 }),
      fc.constantFrom('GET', 'POST'),
      (given, asked, method) => {
        const path = `/${asked.join('/')}`
        const rules = given.map(({ group, ...rest }) =>
          aRule({ ...rest, ...(rest.policy === 'login' && group !== undefined && needs(group)) }),
        )
        const met = rules.filter((one) => one.methods === undefined || one.methods.includes(method))
        const exact = met.find((one) => prefix(one.path ?? '/').test(path))
        const before = met
          .slice(0, exact === undefined ? undefined : met.indexOf(exact))
          .filter((one) => one.policy !== 'public' && prefix(form(one.path ?? '/')).test(form(path)))
        const meant = [...before, ...(exact === undefined ? [] : [exact])]
        const expected = meant.some((one) => one.policy === 'deny')
          ? 'denied_by_rule'
          : meant.some((one) => one.require !== undefined)
            ? 'login 1'
            : before.length === 0 && exact?.policy === 'public'
              ? 'public_rule'
              : 'login 0'
        assert.equal(decided(rulesOf(rules), `${method} ${path}`), expected)
      },
    ),
    { numRuns: 5_000 },
  )
})

test('the lenient form of a path is its own lenient form', () => {
  const form = lenientForm(['json'])
  const text = fc.string({
    unit: fc.constantFrom('/', 'a', 'B', '.', ' ', ':', '$', 'é', 'ı', 'ｊ', '\u00ad', 'json'),
    maxLength: 24,
  })
  fc.assert(
    fc.property(text, (path) => assert.equal(form(form(`/${path}`)), form(`/${path}`))),
    { numRuns: 3_000 },
  )
})

test('the lenient form of a long path costs no more than its length (B10)', { timeout: 10_000 }, () => {
  const form = lenientForm(['json'])
  const before = process.cpuUsage().user
  for (const unit of ['.', ' ', '. ', '/.', 'a.', '.json', '\u0301\u00ad', '::$', '/ .x', 'A']) {
    form(`/${unit.repeat(Math.ceil(16_384 / unit.length))}x`)
  }
  assert.ok(process.cpuUsage().user - before < 500_000)
})

test('a final sigma is the letter that it is, whatever extension follows (B4)', () => {
  const rules = rulesOf([{ path: '/μήνες', policy: 'deny' }, { policy: 'public' }], { ignoredExtensions: ['json'] })
  for (const spelling of ['/μήνες', '/μήνες.json', '/ΜΉΝΕΣ.JSON', '/ΜΉΝΕΣ']) {
    assert.equal(decided(rules, encodeURI(spelling)), 'denied_by_rule', spelling)
  }
})
