// A public rule is security: whatever another program's words make public here was public there, path by path.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { migrate } from '../../src/migrate/migrate.ts'
import { pathsOfRegex } from '../../src/migrate/public-paths.ts'
import { parseTraefikRule } from '../../src/migrate/traefik-rule.ts'
import { policyOf, rulesOf } from './decide.ts'

const BASE =
  'provider = "oidc"\noidc_issuer_url = "https://id.example.com"\nclient_id = "app"\nemail_domains = "*"\nupstreams = "http://app:80"\n'

const oauth2Proxy = (...lines: string[]) => migrate('oauth2-proxy', [{ name: 'a.cfg', text: BASE + lines.join('\n') }])

/** As its own documentation has it: the first `=` or `!=` parts the method from the regular expression. */
function isPublicThere(routes: readonly string[], method: string, path: string): boolean {
  return routes.some((route) => {
    const [, verb, negation, regex = route] = /^(.*?)(!?)=(.*)$/s.exec(route) ?? []
    if (verb !== undefined && verb !== '' && verb.toUpperCase() !== method) return false
    return new RegExp(regex).test(path) !== (negation === '!' || route.includes('!='))
  })
}

const CANDIDATES = [
  '/',
  '/public',
  '/public/',
  '/public/x',
  '/public/x/',
  '/publicsecret',
  '/publi',
  '/publicb',
  '/Public',
  '/x/public',
  '/x/public/y',
  '/private',
  '/private/x',
  '/health',
  '/health/',
  '/healthz',
  '/health/x',
  '/api',
  '/api/',
  '/api/v1',
  '/api/v1/',
  '/api/v10',
  '/api/v1/x',
  '/a.css',
  '/axcss',
  '/x/a.css',
  '/a.css/x',
  '/public.',
  '/other',
  '/other/',
  '/otherx',
  '/favicon.ico',
  '/faviconxico',
  '/public/../x',
  '/_next',
  '/docs',
  '/docs/x',
  '/docsx',
  '/pub',
  '/pub/lic',
  '/public=x',
  '/GET',
  '/x',
  '/xpublic',
  '/api/v1.0',
  '/api/v1x0',
  '/oauth2/start',
  '/oauth2',
  '/v1',
] as const

const WRITTEN: readonly (readonly [route: string, isMade: readonly string[]])[] = [
  ['^/public(/|$)', ['/public', '/public/', '/public/x']],
  ['^/public(/.*)?$', ['/public', '/public/', '/public/x']],
  ['^/public(?:/.*|)$', ['/public', '/public/', '/public/x']],
  ['^/(public|docs)(/|$)', ['/public', '/docs', '/docs/x']],
  ['GET=^/public(/|$)', ['/public']],
  // Narrower here, never wider.
  ['^/public', ['/public', '/public/x']],
  ['/public', ['/public']],
  ['^/public/', ['/public/x']],
  ['^/public/.*', ['/public/x']],
  ['^/public/.*$', ['/public/x']],
  ['/public|/docs', ['/public', '/docs']],
  ['^/public|^/docs$', ['/public']],
  ['^/favicon.ico', ['/favicon.ico']],
  ['^/api/v1\\.0', ['/api/v1.0']],
  // No rule of ours is as narrow, or nothing is understood: nothing is public.
  ['^/public$', []],
  ['^/$', []],
  ['^/health$', []],
  ['/health$', []],
  ['GET!=^/private', []],
  ['!=^/private', []],
  ['^/private!=x', []],
  ['.*', []],
  ['', []],
  ['^', []],
  ['^/', []],
  ['/', []],
  ['^.*$', []],
  ['()', []],
  ['^/?', []],
  ['(^/public|)', []],
  ['public', []],
  ['\\.css$', []],
  ['^/api/v[0-9]+', []],
  ['^/public\\b', []],
  ['^/pub+lic', []],
  ['^/(?i)public', []],
  ['(?i)^/public', []],
  ['^/public(?!secret)', []],
  ['^/x?a=1', []],
  ['^/public\\?x=1', []],
  ['^/*', []],
  ['^/**', []],
  ['^/public/*$', []],
  ['^/a{1,3}', []],
  ['^/[^/]+/public', []],
  ['^/oauth2', []],
  ['^/oauth2/start', []],
  ['^/%70ublic', []],
  ['^/\\*', []],
  ['^/public#', []],
  ['^/a//b', []],
  ['^/a/../b', []],
  ['^/public;x', []],
]
for (const [route, made] of WRITTEN) {
  test(`skip_auth_routes ${JSON.stringify(route)} makes ${made.length === 0 ? 'nothing' : made.join(', ')} public`, () => {
    const migration = oauth2Proxy(`skip_auth_routes = [ ${JSON.stringify(route)} ]`)
    const rules = rulesOf(migration)
    for (const path of made) assert.equal(policyOf(rules, path), 'public', path)
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      for (const path of CANDIDATES) {
        if (policyOf(rules, `${method} ${path}`) !== 'public') continue
        assert.ok(isPublicThere([route], method, path), `${method} ${path} was not public`)
        assert.ok(made.length > 0, path)
      }
    }
    if (made.length === 0 && route !== '') {
      const { items } = migration.report
      assert.ok(items.some(({ option, outcome }) => option === 'skip_auth_routes' && outcome === 'decide'))
    }
  })
}

test('whatever is written in small regular expressions, nothing is public that was not (skip_auth_routes)', () => {
  const piece = fc.constantFrom(
    '^',
    '$',
    '/',
    '/public',
    '/docs',
    '/x',
    '.',
    '\\.',
    '.*',
    '(',
    ')',
    '|',
    '?',
    '(/|$)',
    '(/.*)?',
    '*',
    '+',
    '[a-z]',
    'secret',
    'GET=',
    'POST!=',
    '=',
    '\\/',
    '(?:',
    ',',
    ' ',
  )
  const regex = fc.array(piece, { minLength: 1, maxLength: 7 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.array(regex, { minLength: 1, maxLength: 3 }), (routes) => {
      const valid = routes.filter((route) => isRegex(route))
      const rules = rulesOf(oauth2Proxy(`skip_auth_routes = ${JSON.stringify(valid)}`))
      for (const path of CANDIDATES) {
        for (const method of ['GET', 'POST']) {
          if (policyOf(rules, `${method} ${path}`) === 'public') {
            assert.ok(isPublicThere(valid, method, path), `${JSON.stringify(valid)}: ${method} ${path}`)
          }
        }
      }
    }),
    { numRuns: 150 },
  )
})

function isRegex(route: string): boolean {
  try {
    return [route, route.replace(/^.*?!?=/s, '')].every((text) => new RegExp(text) instanceof RegExp)
  } catch {
    return false
  }
}

test('a query never makes a path public, nor does another spelling of it', () => {
  const rules = rulesOf(oauth2Proxy('skip_auth_routes = [ "^/public(/|$)" ]'))
  for (const target of [
    '/private?x=/public',
    '/private?/public/',
    '/private%23/public',
    '/public/..%2fprivate',
    '/public/../private',
    '/public;/../x',
    '//public',
    '/PUBLIC',
  ]) {
    assert.notEqual(policyOf(rules, target), 'public', target)
  }
})

test('a comma in a list of the file is no comma between two routes', () => {
  const rules = rulesOf(oauth2Proxy('skip_auth_routes = [ "^/(a,/public)$" ]'))
  assert.equal(policyOf(rules, '/public'), 'login')
})

test('the method of a route counts, and HEAD goes with GET', () => {
  const rules = rulesOf(oauth2Proxy('skip_auth_routes = [ "POST=^/hook(/|$)", "GET=^/public(/|$)" ]'))
  assert.deepEqual(
    ['POST /hook', 'GET /hook', 'GET /public', 'HEAD /public', 'POST /public', 'DELETE /public'].map((request) =>
      policyOf(rules, request),
    ),
    ['public', 'login', 'public', 'public', 'login', 'login'],
  )
})

test('trusted_ip is a network, and who is elsewhere needs a login', () => {
  const rules = rulesOf(
    oauth2Proxy('trusted_ips = [ "203.0.113.0/24" ]', 'reverse_proxy = true', 'trusted_proxy_ips = ["10.0.0.1"]'),
  )
  assert.equal(policyOf(rules, '/x', '203.0.113.9'), 'public')
  assert.equal(policyOf(rules, '/x', '203.0.114.9'), 'login')
  assert.equal(policyOf(rules, '/x'), 'login')
})

test('a trusted_ip within the proxies’ own addresses is left out and said, since no client is there', () => {
  const migration = oauth2Proxy('trusted_ips = [ "10.0.0.0/24" ]', 'trusted_proxy_ips = ["10.0.0.0/8"]')
  assert.equal(policyOf(rulesOf(migration), '/x', '10.0.0.9'), 'login')
  assert.ok(
    migration.report.items.some(({ outcome, note = '' }) => outcome === 'decide' && /within trustedProxies/.test(note)),
  )
})

test('a regular expression of more alternatives than a configuration has is not understood, and soon', () => {
  assert.equal(pathsOfRegex(`^/${'(a|b)'.repeat(20)}`), undefined)
  assert.equal(pathsOfRegex('('.repeat(1_000)), undefined)
  assert.equal(pathsOfRegex(`^/${'x'.repeat(3_000)}`), undefined)
})

// --- rules of Traefik -------------------------------------------------------------------------------------------------

const forwardAuth = (...lines: string[]) =>
  migrate('traefik-forward-auth', [
    { name: 'a.ini', text: `providers.google.client-id = app\ndomain = example.com\n${lines.join('\n')}\n` },
  ])
const allow = (rule: string) => forwardAuth('rule.one.action = allow', `rule.one.rule = ${rule}`)

const TRAEFIK: readonly (readonly [rule: string, open: readonly string[], shut: readonly string[]])[] = [
  ['PathPrefix(`/public`)', ['/public', '/public/x'], ['/publicsecret', '/', '/x/public']],
  ['PathPrefix(`/public/`)', ['/public/x'], ['/public', '/publicsecret']],
  ['Path(`/public`)', [], ['/public', '/public/', '/public/x']],
  ['Path(`/public`) || PathPrefix(`/public/`)', ['/public', '/public/x'], ['/publicsecret']],
  ['Host(`app.example.com`) && PathPrefix(`/public`)', ['/public'], ['https://other.example.com/public', '/x']],
  ['Host("app.example.com")', ['/', '/x'], ['https://other.example.com/', 'https://app.example.com.evil.example/']],
  ['Host(`app.example.com`, `b.example.com`)', ['/', 'https://b.example.com/'], ['https://c.example.com/']],
  [
    'Host(`app.example.com`) || PathPrefix(`/public`)',
    ['/', 'https://x.example.com/public'],
    ['https://x.example.com/y'],
  ],
  [
    '(Host(`app.example.com`) || Host(`b.example.com`)) && PathPrefix(`/public`)',
    ['/public', 'https://b.example.com/public'],
    ['/', 'https://b.example.com/x'],
  ],
  ['Method(`GET`) && PathPrefix(`/public`)', ['GET /public'], ['POST /public']],
  ['PathPrefix(`/public`) && Headers(`X-Key`, `secret`)', [], ['/public']],
  ['PathPrefix(`/public`) && Query(`a=b`)', [], ['/public']],
  ['PathPrefix(`/public`) && PathPrefix(`/public/x`)', [], ['/public', '/public/x']],
  ['PathPrefix(`/a`) || Headers(`X-Key`, `secret`)', [], ['/a']],
  ['!PathPrefix(`/private`)', [], ['/', '/x', '/private']],
  ['PathPrefix(`/public`) && !Method(`POST`)', [], ['/public']],
  ['!(PathPrefix(`/a`) || PathPrefix(`/b`))', [], ['/', '/c']],
  ['PathPrefix(`/`)', [], ['/', '/x']],
  ['PathPrefix(``)', [], ['/', '/x']],
  ['PathPrefix(`/{id:[a-z]+}`)', [], ['/a', '/{id:[a-z]+}']],
  ['HostRegexp(`{sub:.*}.example.com`)', [], ['/', '/x']],
  ['Host(`{sub:.*}.example.com`)', [], ['/', '/x']],
  ['PathRegexp(`^/public(/|$)`)', ['/public', '/public/x'], ['/publicsecret']],
  ['PathRegexp(`public`)', [], ['/public']],
  ['PathPrefix(`/_oauth`)', [], ['/_oauth', '/_oauth/logout']],
  ['PathPrefix(`/public`', [], ['/public']],
  ['PathPrefix(`/public`))', [], ['/public']],
  ['PathPrefix(`/public`) PathPrefix(`/x`)', [], ['/public', '/x']],
  ['&& PathPrefix(`/public`)', [], ['/public']],
  ['', [], ['/']],
]
for (const [rule, open, shut] of TRAEFIK) {
  test(`rule.one.rule = ${rule} opens ${open.length === 0 ? 'nothing' : open.join(', ')}`, () => {
    const migration = allow(rule)
    const rules = rulesOf(migration)
    for (const request of open) assert.equal(policyOf(rules, request), 'public', request)
    for (const request of shut) assert.notEqual(policyOf(rules, request), 'public', request)
    if (open.length === 0)
      assert.ok(migration.report.items.some(({ option, outcome }) => option === 'rule.one' && outcome === 'decide'))
  })
}

test('where a rule that allows and one that asks could both hold, the one that asks counts', () => {
  const rules = rulesOf(
    forwardAuth(
      'rule.a.action = allow',
      'rule.a.rule = PathPrefix(`/app`)',
      'rule.b.rule = PathPrefix(`/app/admin/`)',
      'rule.b.whitelist = jane@example.com',
    ),
  )
  assert.equal(policyOf(rules, '/app/x'), 'public')
  assert.equal(policyOf(rules, '/app/admin'), 'login')
  assert.equal(policyOf(rules, '/app/admin/x'), 'login')
})

test('default-action = allow opens nothing, and asks for a decision', () => {
  const migration = forwardAuth('default-action = allow')
  assert.equal(policyOf(rulesOf(migration), '/x'), 'login')
  assert.ok(migration.report.items.some(({ option, outcome }) => option === 'default-action' && outcome === 'decide'))
})

test('an allowing rule that names people is a mistake, and opens nothing', () => {
  const migration = forwardAuth(
    'rule.a.action = allow',
    'rule.a.rule = PathPrefix(`/x`)',
    'rule.a.whitelist = jane@example.com',
  )
  assert.equal(policyOf(rulesOf(migration), '/x'), 'login')
})

test('no text makes the reader of Traefik’s rules throw', () => {
  const piece = fc.constantFrom('Host', 'Path', '(', ')', '`a`', '"b"', '&&', '||', '!', ',', ' ', '\\', '`', '"', 'x')
  fc.assert(
    fc.property(
      fc.array(piece).map((parts) => parts.join('')),
      (text) => void parseTraefikRule(text),
    ),
  )
})
