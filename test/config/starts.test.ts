// `foregate check` says "fine" only for what starts: what it accepted is started here, on a free port, with nothing behind it.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import test from 'node:test'
import * as fc from 'fast-check'
import { stringify } from 'yaml'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/load-config.ts'
import { fixedPaths } from '../../src/config/url-path.ts'
import { ConfigInvalid } from '../../src/errors.ts'
import { defaultAddresses } from '../fixtures/addresses.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { KEY, load, problemsOf, SECRET } from './load-fixture.ts'
import { createPlatform } from '../../src/runtime.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Starts and stops. Nothing listens where it looks for its provider and its Redis: neither is needed for a start. */
async function startAndStop(config: ReturnType<typeof load>['config']): Promise<void> {
  const { metricsListen } = config.server
  // Nobody is to be drained, and other tests may hold the operators' port.
  const server = {
    ...config.server,
    drainDelayMs: 0,
    ...(metricsListen !== undefined && { metricsListen: { host: '127.0.0.1', port: 0 } }),
  }
  const app = createApp(
    { ...config, server },
    {
      ...createPlatform(),
      logger: silent,
      metrics: createMetrics({ processMetrics: false }),
    },
  )
  try {
    assert.ok((await app.start()) > 0)
  } finally {
    await app.stop()
  }
}

const anOwnPath = fc.constantFrom(
  '/oauth2/callback',
  '/oauth2/sign_out',
  '/oauth2/signed_out',
  '/oauth2/sessions',
  '/oauth2/callback/logout',
  '/oauth2/logout',
  '/cb',
  '/cb/:id',
  '/cb/*',
  '/cb(.*)',
  '/a::b',
  '/healthz',
  '/auth/x',
  '/authentic',
  '/oauth2',
  '/OAUTH2/callback',
)
const aHost = fc.constantFrom(
  'app.example.com',
  '*.example.com',
  '.example.com',
  '*',
  'app.example.com:443',
  'a:8443',
  '[::1]',
)
const aPattern = fc.constantFrom(
  '/',
  '/public',
  '/a/*/b',
  '/a/**',
  '/*',
  '/caf%C3%A9',
  '/café',
  '/a%2fb',
  '/%zz',
  '/oauth2/x',
)
const aTemplate = fc.constantFrom(
  '{{.Claims.email}}',
  '{{{{.Claims.email}}}}',
  '{{ .claims.email }}',
  '{{`{{ .claims.email }}`}}',
  '{{range .Claims.roles}}x{{end}}',
  '{{.AccessToken',
  'plain',
  '',
)
const aRule = fc.record(
  {
    host: aHost,
    path: aPattern,
    methods: fc.constantFrom(['GET'], ['get', 'POST'], ['G T'], ['*'], 'GET'),
    policy: fc.constantFrom('public', 'login', 'deny'),
    require: fc.constantFrom({ groups: ['a'] }, { claims: { 'a.b': 'c' } }, {}, { users: [] }),
  },
  { requiredKeys: [] },
)
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  publicURL: fc.constantFrom('https://auth.example.com', 'https://app.example.com', 'http://auth.example.com'),
  cookieDomain: fc.constantFrom('example.com', '.example.com', 'example.org'),
  providerURL: fc.constantFrom(
    'https://127.0.0.1:1/realms/x',
    'https://127.0.0.1:1/',
    'https://127.0.0.1:1/.well-known/openid-configuration',
  ),
  callbackURL: anOwnPath,
  logoutURL: anOwnPath,
  cookiePath: fc.constantFrom('/', '/oauth2', '/a:b'),
  cookieName: fc.constantFrom('a', '__Host-a', 'foregate_pass', 'a b', 'foregate_flow_x'),
  cookieSameSite: fc.constantFrom('lax', 'strict', 'none'),
  forceHTTPS: fc.boolean(),
  excludedURLs: fc.array(aPattern, { maxLength: 3 }),
  rules: fc.array(aRule, { maxLength: 3 }),
  headers: fc.array(
    fc.record({
      name: fc.constantFrom('X-A', 'x_a', 'X.A', 'Cookie', 'X-Forwarded-User', 'X Y'),
      template: aTemplate,
    }),
    { maxLength: 2 },
  ),
  upstreams: fc.array(
    fc.record(
      {
        url: fc.constantFrom('http://127.0.0.1:1', 'https://127.0.0.1:1/base/', 'http://127.0.0.1:1?x', 'ftp://x'),
        host: aHost,
        path: fc.constantFrom('/', '/app', '/app/', '/a:b', '/a(b)', '/*', '/oauth2', '/metrics', '/oauth2/x'),
        rules: fc.array(aRule, { maxLength: 1 }),
      },
      { requiredKeys: ['url'] },
    ),
    { maxLength: 2 },
  ),
  pages: fc.record(
    {
      name: fc.constantFrom('Ours', '<b>'),
      logo: fc.constantFrom(
        'https://cdn.example/a.png',
        'https://cdn.example/a"b.png',
        "https://cdn.example/a'b.png",
        'data:image/png;base64,AAAA',
        'data:image/svg+xml,<svg></svg>',
        'data:image/svg+xml;utf8,%3Csvg/%3E',
      ),
      accentColor: fc.constantFrom('#0a7', '#00aa77', 'red'),
    },
    { requiredKeys: [] },
  ),
  allowedRedirectHosts: fc.array(aHost, { maxLength: 2 }),
  scopes: fc.constantFrom(['openid'], 'openid email', ['a b'], []),
  extraAuthParams: fc.constantFrom({ prompt: 'login' }, { state: 'x' }, {}),
  forwardAuth: fc.record(
    {
      contract: fc.constantFrom('traefik', 'envoy', 'nginx', 'caddy', 'haproxy'),
      allowStatus: fc.constantFrom(200, 202),
    },
    { requiredKeys: [] },
  ),
  redis: fc.constantFrom(
    { enabled: true, address: '127.0.0.1:1' },
    { enabled: true, address: '127.0.0.1:1', cacheMode: 'hybrid', db: 3, enableTLS: true },
    { enabled: true, cluster: { addresses: ['127.0.0.1:1'] } },
    { enabled: true, cluster: { addresses: ['127.0.0.1:1'] }, keyPrefix: '{a}:' },
    { enabled: true, sentinel: { masterName: 'm', addresses: ['127.0.0.1:1'] } },
    { enabled: true },
  ),
  outage: fc.constantFrom({ pass: false }, { journalSize: 0 }, { replay: 'closed', maxStale: 0 }),
  metrics: fc.constantFrom({ listen: '127.0.0.1:0' }, {}),
  sessionMaxAge: fc.constantFrom('1s', '400d', 60),
  sessionIdleTimeout: fc.constantFrom('1s', 'off'),
}

/** A few at a time: of many, one is always wrong. */
const options = fc
  .subarray(Object.keys(values), { maxLength: 3 })
  .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, values[name] ?? fc.constant(undefined)]))))

const required = {
  providerURL: 'https://127.0.0.1:1',
  clientID: 'app',
  clientSecret: SECRET,
  sessionEncryptionKey: KEY,
  listen: '127.0.0.1:0',
}

test('whatever check accepts starts (C15)', async () => {
  let started = 0
  await fc.assert(
    fc.asyncProperty(options, async (given) => {
      let loaded: ReturnType<typeof load>
      try {
        loaded = loadConfig({
          text: stringify({ ...required, ...given }, { aliasDuplicateObjects: false }),
          env: {},
          readFile: () => '',
        })
      } catch (error) {
        assert.ok(error instanceof ConfigInvalid && error.problems.length > 0)
        return
      }
      await startAndStop(loaded.config)
      started++
    }),
    { numRuns: 400 },
  )
  assert.ok(started > 20, `${started} were started`)
})

test('every option by itself is started once when it is accepted (C15)', async () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const texts = [
    'callbackURL: /a.b/c~d!$&+,=@',
    'logoutURL: /oauth2/callback/logout',
    'upstreams: [{ url: "http://127.0.0.1:1", path: "/a:b" }, { url: "http://127.0.0.1:1", host: "[::1]" }]',
    'pages: { logo: "data:image/gif;base64,R0lGODlhAQABAAAAACw=", accentColor: "#123456" }',
    'publicURL: https://a.example.com\ncookieDomain: example.com',
    `clientAuthMethod: private_key_jwt\nclientAssertionAlg: ES256\nclientAssertionPrivateKey: ${JSON.stringify(
      keys.privateKey.export({ type: 'sec1', format: 'pem' }),
    )}`,
    'redis: { enabled: true, url: "rediss://a:b@127.0.0.1:1/3" }',
  ]
  for (const text of texts) {
    await startAndStop(load({ text: `listen: 127.0.0.1:0\n${text}` }).config)
  }
})

const cannotWork: [text: string, problem: RegExp][] = [
  ['providerURL: https://id.example.com/.well-known/openid-configuration', /providerURL: must be the issuer alone/],
  [
    'providerURL: https://id.example.com/x/.well-known/oauth-authorization-server',
    /providerURL: must be the issuer alone/,
  ],
  ['callbackURL: /oauth2/sign_out', /callbackURL: is taken by another route.*\/oauth2\/callback/],
  ['callbackURL: /oauth2/signed_out', /callbackURL: is taken/],
  ['logoutURL: /oauth2/sessions', /logoutURL: is taken by another route/],
  ['logoutURL: /oauth2/userinfo', /logoutURL: is taken by another route.*such as \/oauth2\/logout/],
  ['callbackURL: /cb/:id', /callbackURL: must be one plain path/],
  ['callbackURL: /cb/*', /callbackURL: must be one plain path/],
  ['logoutURL: /out(.*)', /logoutURL: must be one plain path/],
  [`pages: { logo: 'data:image/svg+xml,<svg xmlns="x"/>' }`, /pages\.logo: must be a data:image/],
  [`pages: { logo: "https://cdn.example/a'b.png" }`, /pages\.logo: must be/],
  [
    'publicURL: https://auth.example.com\nupstreams: [{ host: app.example.com, url: "http://127.0.0.1:1" }]',
    /publicURL: is another host than upstreams\[0\]\.host.*set cookieDomain/,
  ],
  [
    'publicURL: https://auth.example.com\nrules: [{ host: "*.example.com", path: /x }]',
    /publicURL: is another host than rules\[0\]\.host/,
  ],
  ['excludedURLs: [/oauth2/signed_out]', /excludedURLs\[0\]: would make our own path/],
]
for (const [text, problem] of cannotWork) {
  test(`what cannot work is refused: ${JSON.stringify(text)} (C15)`, () => {
    const problems = problemsOf({ text })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test('publicURL without cookieDomain is a warning where no host is named, and nothing where it is the only one (C15)', () => {
  const publicURL = 'publicURL: https://app.example.com\n'
  assert.match(
    load({ text: publicURL }).warnings.join(),
    /publicURL: without cookieDomain a login counts on its host only/,
  )
  assert.deepEqual(
    load({ text: `${publicURL}upstreams: [{ host: app.example.com, url: "http://127.0.0.1:1" }]` }).warnings,
    [],
  )
  assert.deepEqual(
    load({ text: `${publicURL}rules: [{ host: other.example, policy: public }, { host: app.example.com:8443 }]` })
      .warnings,
    [],
  )
  assert.deepEqual(load({ text: `${publicURL}cookieDomain: example.com` }).warnings, [])
})

test('every fixed route of ours is one that a configured path must leave alone (C15)', () => {
  const { ownPath } = defaultAddresses()
  const reserved = fixedPaths('/oauth2')
  assert.deepEqual(
    Object.values(ownPath).filter((path) => !reserved.includes(path)),
    [],
  )
})

test('a client certificate with the key of another one is refused (C15)', (t) => {
  const authority = createAuthority()
  t.after(() => authority.close())
  const [one, other] = [authority.issue('one'), authority.issue('other')]
  const text = 'redis: { enabled: true, address: "r:1", enableTLS: true, certFile: /c, keyFile: /k }'
  assert.deepEqual(problemsOf({ text, files: { '/c': one.cert, '/k': one.key } }), [])
  assert.match(
    problemsOf({ text, files: { '/c': one.cert, '/k': other.key } }).join(),
    /redis\.keyFile: is not the key of the certificate in redis\.certFile/,
  )
})
