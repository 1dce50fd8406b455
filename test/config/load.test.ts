import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import test from 'node:test'
import * as fc from 'fast-check'
import { loadConfig } from '../../src/load-config.ts'
import { ConfigInvalid } from '../../src/errors.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { KEY, load, problemsOf, SECRET } from './load-fixture.ts'

const refusals: [text: string, problem: RegExp][] = [
  // names and shapes
  ['clientIdd: a', /^c\.yaml:1: clientIdd: is no known option; did you mean clientID\?/],
  ['\nkeyPrefix: a', /^c\.yaml:2: keyPrefix: is no known option; did you mean redis\.keyPrefix\?/],
  ['banana: a', /^c\.yaml:1: banana: is no known option; see config\.example\.yaml/],
  [
    'rules:\n  - path: /a\n    polcy: deny',
    /^c\.yaml:3: rules\[0\]\.polcy: is no known option; did you mean rules\[0\]\.policy\?/,
  ],
  ['redis:\n  db: 1\n  db: 2', /^c\.yaml:3: db: is given twice on the same level, first on line 2; keep one/],
  [
    'logLevel: info\nlisten: ":1"\n"logLevel": warn',
    /^c\.yaml:3: logLevel: is given twice on the same level, first on line 1;/,
  ],
  // syntax: the line of the mistake, in our words
  ['redis: [', /^c\.yaml:1: has a bracket, \[ or \{, that is not closed/],
  ['scopes: [a,\n  b\nclientID: c', /^c\.yaml:1: has a bracket, \[ or \{, that is not closed/],
  ['redis: { db: 1\nclientID: c', /^c\.yaml:1: has a bracket, \[ or \{, that is not closed/],
  ['a: b: c', /^c\.yaml:1: has a second ": " on one line; put a value that holds it into quotes/],
  ['clientID: a\n  clientSecret: b\nlisten: c', /^c\.yaml:2: is indented too far: the option above has a value/],
  ['clientID: a\n  b\n  clientSecret: c', /^c\.yaml:3: is indented too far/],
  ['redis:\n  db: 1\n keyPrefix: a', /^c\.yaml:3: is indented otherwise than the lines it belongs to/],
  ['clientID: a\nclientSecret b\nlisten: c', /^c\.yaml:2: is not `option: value` \(colon and space\)/],
  ['clientID: "a\nlisten: b\nlogLevel: c', /^c\.yaml:1: has a quotation mark that is not closed/],
  ['clientID: "a" b', /^c\.yaml:1: goes on after the end of its value; put the whole value into quotes/],
  ["clientSecret: 'it's'", /^c\.yaml:1: (goes on after the end|has a quotation mark)/],
  ['clientID: a\n- b', /^c\.yaml:2: /],
  ['- a', /^c\.yaml:1: must be a YAML mapping of options/],
  ['just text', /^c\.yaml:1: must be a YAML mapping of options/],
  ['a: &a [*a]', /^c\.yaml:1: is nested more than/],
  ['clientID: 1234', /^c\.yaml:1: clientID: must be text, but YAML reads it as a number; put it in quotes/],
  ['enablePKCE: perhaps', /enablePKCE: must be true or false/],
  ['providerTimeout: fast', /providerTimeout: must be a duration; write seconds \(30\) or 250ms/],
  ['sessionMaxAge: 401d', /sessionMaxAge: must be a duration from 1s to 400d/],
  ['trustedProxies: { a: b }', /trustedProxies: must be a list/],
  ['extraAuthParams: [a]', /extraAuthParams: must be a mapping/],
  ['logLevel: verbose', /logLevel: must be one of debug, info, warn, error/],
  // server
  ['listen: nowhere', /listen: must be an address to listen on/],
  ['metrics: { listen: ":4180" }', /metrics\.listen: has the port of `listen`/],
  ['identityToken: { onAuth: true }', /identityToken\.onAuth: is true while identityToken\.enabled is false/],
  ['upstreams: [{ url: "http://a", allowedOrigins: ["*"] }]', /upstreams\[0\]\.allowedOrigins\[0\]: must be an origin/],
  ['upstreams: [{ url: "http://a", idleTimeout: 10ms }]', /upstreams\[0\]\.idleTimeout: must be /],
  [
    'upstreams: [{ url: "http://a", healthPath: up }]',
    /upstreams\[0\]\.healthPath: must be a path that starts with \//,
  ],
  ['upstreams: [{ url: "http://a", maxConnections: 0 }]', /upstreams\[0\]\.maxConnections: must be /],
  ['listen: ":9180"\nupstreams: [{ url: "http://a" }]', /metrics\.listen: has the port of `listen`/],
  ['drainDelay: 11m', /drainDelay: must be a duration from 0s to 10m/],
  [
    'trustedProxies:\n  - 10.0.0.1\n  - 0.0.0.0/0',
    /^c\.yaml:3: trustedProxies\[1\]: is so wide that strangers are in it/,
  ],
  ['trustedProxies: ["::/0"]', /trustedProxies\[0\]: is so wide/],
  ['publicURL: https://a.example.com/x', /publicURL: must be an origin without a path/],
  ['publicURL: http://a.example.com', /publicURL: is http while forceHTTPS is true/],
  ['publicURL: https://a.example.com\ncookieDomain: example.org', /publicURL: is not under cookieDomain/],
  ['secretsDir: secrets', /secretsDir: must be an absolute path/],
  // provider
  ['providerURL: http://id.example.com', /providerURL: must be https/],
  ['providerURL: id.example.com', /providerURL: must be an absolute URL/],
  [
    'upstreams: [{ url: localhost:8080 }]',
    /upstreams\[0\]\.url: must be an absolute URL, with https:\/\/ or http:\/\/ in front/,
  ],
  ['providerURL: https://id.example.com?x=1', /providerURL: must not have a query/],
  ['revocationURL: http://id.example.com/r', /revocationURL: must be https/],
  ['scopes: [profile]\noverrideScopes: true', /scopes: lacks openid/],
  ['scopes: ["a\\"b"]', /scopes: has a scope with characters/],
  ['extraAuthParams: { state: x }', /extraAuthParams\.state: is set by the login itself/],
  ['extraAuthParams: { Response_Mode: fragment }', /extraAuthParams\.Response_Mode: is set by the login itself/],
  ['extraAuthParams: { request_uri: x }', /extraAuthParams\.request_uri: is set by the login itself/],
  ['discoveryURL: http://id.example.com/d', /discoveryURL: must be https/],
  ['allowMissingNonce: true\nenablePKCE: false', /allowMissingNonce: needs PKCE/],
  ['claimsFrom: [userinfo]', /claimsFrom: must begin with idToken/],
  ['claimsFrom: [accessToken, idToken]', /claimsFrom: must begin with idToken/],
  ['claimsFrom: [idToken, userinfo, userinfo]', /claimsFrom: must begin with idToken/],
  ['claimsFrom: []', /claimsFrom: must begin with idToken/],
  ['claimsFrom: [idToken, graph]', /claimsFrom\[1\]: must be one of idToken, userinfo, accessToken/],
  ['httpsProxy: socks5://127.0.0.1:1080', /httpsProxy: must be the address of an HTTP proxy/],
  ['httpProxy: http://proxy:3128/path', /httpProxy: must be the address of an HTTP proxy/],
  ['httpsProxy: "http://proxy:99999"', /httpsProxy: must be the address of an HTTP proxy/],
  ['caCertPath: /none', /caCertPath: its file cannot be read/],
  [
    'caCertPEM: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"',
    /caCertPEM: holds no readable certificate/,
  ],
  ['clientAuthMethod: private_key_jwt', /clientAssertionPrivateKey: is missing/],
  [
    'clientAuthMethod: private_key_jwt\nclientAssertionPrivateKey: nonsense',
    /clientAssertionPrivateKey: holds no readable private key/,
  ],
  // paths
  ['callbackURL: oauth2/callback', /callbackURL: must be a path that starts with \//],
  ['callbackURL: https://a.example.com/cb', /callbackURL: must be a path that starts with \//],
  ['callbackURL: /', /callbackURL: is taken by another route/],
  ['callbackURL: /oauth2/start', /callbackURL: is taken by another route/],
  ['logoutURL: /auth/logout', /logoutURL: is taken by another route/],
  ['logoutURL: /oauth2/callback', /logoutURL: is the same as callbackURL/],
  ['postLogoutRedirectURI: //evil.example', /postLogoutRedirectURI: must be a path that starts with one \//],
  ['postLogoutRedirectURI: javascript:x', /postLogoutRedirectURI: must be a path/],
  ['pathPrefix: /', /pathPrefix: is taken by another route/],
  ['pathPrefix: /auth', /pathPrefix: is taken by another route/],
  ['pathPrefix: /healthz/x', /pathPrefix: is taken by another route/],
  ['pathPrefix: sso', /pathPrefix: must be a path that starts with \//],
  ['pathPrefix: /sso\nlogoutURL: /sso/start', /logoutURL: is taken by another route/],
  ['pathPrefix: /sso\nexcludedURLs: [/sso]', /excludedURLs\[0\]: would make our own path \/sso\/auth public/],
  ['pathPrefix: /sso\nupstreams: [{ path: /sso/x, url: "http://a" }]', /upstreams\[0\]\.path: lies where only this/],
  // cookies
  ['cookieDomain: https://example.com', /cookieDomain: must be a bare domain/],
  ['cookieDomain: com', /cookieDomain: is a top-level domain/],
  ['cookieSameSite: none\nforceHTTPS: false', /cookieSameSite: none needs forceHTTPS/],
  ['cookieName: "a b"', /cookieName: has characters that a cookie name must not have/],
  ['cookieName: __Host-a\ncookieDomain: example.com', /cookieName: begins with __Host-/],
  ['cookiePrefix: __Secure-a\nforceHTTPS: false', /cookiePrefix: begins with __Secure-/],
  [`cookiePrefix: ${'x'.repeat(65)}`, /cookiePrefix: is longer than 64 characters/],
  ['cookieName: foregate_pass', /cookieName: is the name of another cookie of ours/],
  ['cookiePath: /app', /cookiePath: does not cover callbackURL/],
  // access
  ['excludedURLs: [/oauth2]', /excludedURLs\[0\]: would make our own path \/oauth2\/auth public/],
  ['excludedURLs: [/public, /]', /excludedURLs\[1\]: would make our own path/],
  ['excludedURLs: ["/*/callback"]', /excludedURLs\[0\]: would make our own path \/oauth2\/callback public/],
  ['excludedURLs: [public]', /excludedURLs\[0\]: must be a path that starts with \//],
  ['excludedURLs: ["/a*"]', /excludedURLs\[0\]: has a \* within a segment/],
  ['allowedUserDomains: ["*"]', /allowedUserDomains\[0\]: must be the domain of an e-mail address/],
  ['rules: { path: /a }', /rules: must be a list/],
  ['rules: [{ policy: allow }]', /rules\[0\]\.policy: must be one of public, login, deny/],
  ['rules: [{ host: "https://a" }]', /rules\[0\]\.host: must be a host/],
  [
    'rules: [{ path: /a, policy: public, require: { users: [a] } }]',
    /rules\[0\]\.require: means nothing with policy: public/,
  ],
  ['rules: [{ path: /a, require: {} }]', /rules\[0\]\.require: is empty/],
  ['rules: [{ path: /a, require: { groups: [] } }]', /rules\[0\]\.require\.groups: is an empty list/],
  ['rules: [{ path: /a, require: { domains: [] } }]', /rules\[0\]\.require\.domains: is an empty list/],
  [
    'rules:\n  - policy: public\n    networks:\n      - 10.0.0.0/8\n      - office',
    /^c\.yaml:5: rules\[0\]\.networks\[1\]: must be an IP address or a CIDR range/,
  ],
  ['rules: [{ networks: [10.0.0.0/33] }]', /rules\[0\]\.networks\[0\]: must be an IP address or a CIDR range/],
  ['rules: [{ networks: [10.1] }]', /rules\[0\]\.networks\[0\]: must be text, but YAML reads it as a number/],
  ['rules: [{ networks: ["10.1"] }]', /rules\[0\]\.networks\[0\]: must be an IP address/],
  ['rules: [{ networks: ["10.0.0.1:80"] }]', /rules\[0\]\.networks\[0\]: must be an IP address/],
  ['rules: [{ networks: [] }]', /rules\[0\]\.networks: is an empty list/],
  ['rules: [{ networks: [10.1.2.3/8] }]', /rules\[0\]\.networks\[0\]: does not say whether an address or its whole/],
  ['rules: [{ networks: ["fd00::1/8"] }]', /rules\[0\]\.networks\[0\]: does not say whether/],
  ['rules: [{ networks: ["::ffff:10.0.0.0/90"] }]', /rules\[0\]\.networks\[0\]: does not say whether/],
  [
    'rules: [{ network: [10.0.0.0/8] }]',
    /rules\[0\]\.network: is no known option; did you mean rules\[0\]\.networks\?/,
  ],
  ['rules: [{ networks: [127.0.0.1] }]', /rules\[0\]\.networks\[0\]: lies within trustedProxies/],
  [
    'trustedProxies: [10.0.0.0/8]\nrules: [{ policy: public, networks: [192.0.2.1, "::ffff:10.42.0.0/112"] }]',
    /^c\.yaml:2: rules\[0\]\.networks\[1\]: lies within trustedProxies.*name nothing but the proxies there/,
  ],
  [
    'upstreams: [{ url: "http://a", rules: [{ networks: [x] }] }]',
    /upstreams\[0\]\.rules\[0\]\.networks\[0\]: must be an IP/,
  ],
  [
    'upstreams: [{ url: "http://a", rules: [{ networks: ["::1"] }] }]',
    /upstreams\[0\]\.rules\[0\]\.networks\[0\]: lies within/,
  ],
  ...['"*"', 'null', '"null"', '"https://*.example.com"', '"https://a.example.com/x"', 'a.example.com'].map(
    (written): [string, RegExp] => [
      `cors:\n  allowedOrigins:\n    - https://a.example.com\n    - ${written}`,
      /^c\.yaml:4: cors\.allowedOrigins\[1\]: must be an origin, such as https:\/\/app\.example\.com: no path, no \*/,
    ],
  ),
  ['cors: { allowedOrigins: ["https://u:p@a.example.com"] }', /cors\.allowedOrigins\[0\]: must be an origin/],
  ["cors: { allowedOrigins: ['https://(a|b).example.com'] }", /cors\.allowedOrigins\[0\]: must be an origin/],
  ['cors: { allowOrigins: [] }', /cors\.allowOrigins: is no known option; did you mean cors\.allowedOrigins\?/],
  ['rules: [{ path: /a, methods: ["G T"] }]', /rules\[0\]\.methods: must be a list of HTTP methods/],
  ['headers: [{ name: "X Y", value: a }]', /headers\[0\]\.name: has characters/],
  [
    'headers: [{ name: Set-Cookie, value: a }]',
    /headers\[0\]\.name: is a header of the connection or the answer itself/,
  ],
  ['headers: [{ name: x_forwarded_for, value: a }]', /headers\[0\]\.name: is a header of the connection/],
  ['headers: [{ name: X-A, value: a }, { name: x.a, value: b }]', /headers\[1\]\.name: is set by an earlier entry/],
  ['headers: [{ name: X.Rewrite_URL, value: a }]', /headers\[0\]\.name: is a header of the connection/],
  ['headers: [{ name: X-A, value: a }, { name: x_a, value: b }]', /headers\[1\]\.name: is set by an earlier entry/],
  ['headers: [{ name: X-A }]', /headers\[0\]: has no template/],
  ['headers: [{ name: X-A, value: a, template: b }]', /headers\[0\]: has both template and value/],
  ['headers: [{ name: X-A, value: "a\\nSet-Cookie: b" }]', /headers\[0\]\.value: has a line break/],
  ['headers: [{ value: a }]', /headers\[0\]\.name: is missing/],
  ['rateLimit: 0', /rateLimit\.loginsPerMinute: must be a whole number/],
  // service
  ['forwardAuth: { contract: envoy, allowStatus: 202 }', /forwardAuth\.allowStatus: must be 200: Envoy/],
  ['upstreams: [{ path: / }]', /upstreams\[0\]\.url: is missing/],
  ['upstreams: [{ url: "http://a" }, { url: "http://b" }]', /upstreams\[1\]: has the host and path of an earlier one/],
  ['upstreams: [{ path: /oauth2/x, url: "http://a" }]', /upstreams\[0\]\.path: lies where only this service answers/],
  [
    'upstreams: [{ url: "http://a", rules: [{ pth: /a }] }]',
    /upstreams\[0\]\.rules\[0\]\.pth: is no known option; did you mean upstreams\[0\]\.rules\[0\]\.path\?/,
  ],
  ['pages: { accentColor: "red;}" }', /pages\.accentColor: must be a colour/],
  ['pages: { logo: "http://a/b.png" }', /pages\.logo: must be a data:image/],
]
test('a mistake in the syntax is told without the text and without a code of the library', () => {
  for (const text of [
    'a: b: hunter2',
    'a: "hunter2\nb: c',
    'a: hunter2\n  b: c',
    'hunter2 a\nb: c',
    'a: [hunter2',
    'a: "\\q hunter2"',
    'a: "x" hunter2',
  ]) {
    const problems = problemsOf({ text }).join()
    assert.match(problems, /^c\.yaml:\d: /)
    assert.doesNotMatch(problems, /hunter2|[A-Z]+_[A-Z]+/)
  }
})

for (const [text, problem] of refusals) {
  test(`refused, once and by line and path: ${JSON.stringify(text)}`, () => {
    const problems = problemsOf({ text })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
    assert.match(problems[0] ?? '', /^c\.yaml:\d+: /)
  })
}

test('several processes are several replicas', () => {
  assert.match(problemsOf({ text: 'workers: 2' }).join('\n'), /^c\.yaml:1: workers: must be 1: run several replicas/)
  assert.deepEqual(problemsOf({ text: 'workers: "1"' }), [])
})

test('callback and logout lie below pathPrefix, unless they are given', () => {
  const paths = (text: string) => load({ text }).config.paths
  const { callback, logout } = paths('')
  assert.deepEqual([callback, logout], ['/oauth2/callback', '/oauth2/logout'])
  const moved = paths('pathPrefix: /sso/\nlogoutURL: /bye')
  assert.deepEqual([moved.prefix, moved.callback, moved.logout], ['/sso', '/sso/callback', '/bye'])
})

test('in reverse-proxy mode metrics and health are on loopback, unless told otherwise, and paths of the service are free (B13)', () => {
  const upstreams = 'upstreams: [{ url: "http://a" }, { path: /metrics, url: "http://b" }]'
  const listen = (text: string) => load({ text }).config.server.metricsListen
  assert.equal(listen(''), undefined)
  assert.deepEqual(listen(upstreams), { host: '127.0.0.1', port: 9180 })
  assert.deepEqual(listen(`${upstreams}\nmetrics: { listen: ":9999" }`), { host: '0.0.0.0', port: 9999 })
  const { paths } = load({ text: `${upstreams}\ncallbackURL: /auth/callback` }).config
  assert.equal(paths.callback, '/auth/callback')
})

test('all problems come at once, in the order of the lines, of single options and of options together', () => {
  const problems = problemsOf({
    text: 'logLevel: loud\nredis:\n  enabled: true\n  db: 77\nexcludedURLs: [/]\nbanana: 1\nworkers: 3\nsessionEncryptionKey: short',
  })
  assert.deepEqual(
    problems.map((line) => line.split(': ').slice(0, 2).join(' ')),
    [
      'c.yaml:1 logLevel',
      'c.yaml:2 redis.address',
      'c.yaml:4 redis.db',
      'c.yaml:5 excludedURLs[0]',
      'c.yaml:6 banana',
      'c.yaml:7 workers',
      'c.yaml:8 sessionEncryptionKey',
    ],
  )
})

test('a misspelt option is not reported as missing, too', () => {
  const problems = problemsOf({ text: 'clientIdd: a', env: { CLIENT_ID: '' } })
  assert.equal(problems.length, 1, problems.join('\n'))
})

const readNothing = (): string => {
  throw Object.assign(new Error('no'), { code: 'ENOENT' })
}

test('a configuration file that is not there is a problem of its own', () => {
  assert.throws(
    () => loadConfig({ file: 'missing.yaml', env: {}, readFile: readNothing }),
    (error) => error instanceof ConfigInvalid && error.message.startsWith('missing.yaml: cannot be read (ENOENT)'),
  )
})

test('no problem and no warning shows a value, wherever a secret was put', () => {
  const value = 'S3CRET-nobody-may-see'
  const options = [
    'clientSecret',
    'logLevel',
    'listen',
    'providerURL',
    'sessionEncryptionKey',
    'cookieDomain',
    'callbackURL',
    'workers',
    'enablePKCE',
    'providerTimeout',
    'trustedProxies',
    'rules',
    'redis',
    'headers',
    'caCertPEM',
    'postLogoutRedirectURI',
    'excludedURLs',
    'scopes',
  ]
  const nested = ['url', 'password', 'address', 'db', 'cacheMode', 'caFile', 'sentinel', 'enableTLS']
  const texts = [
    ...options.map((name) => `${name}: "${value}"`),
    ...options.map((name) => `${name}: ["${value}"]`),
    ...nested.map((name) => `redis: { enabled: true, ${name}: "${value}" }`),
    `redis: { url: "redis://:${value}@h:1", password: other }`,
    `clientSecret: ${value}: ${value}`,
    `clientSecret: [${value}`,
    `clientSecret: "${value}`,
    `clientSecret: *${value}`,
    `clientSecret: "\${${value}"`,
    value,
    `- ${value}`,
  ]
  let refused = 0
  for (const text of texts) {
    const problems = problemsOf({ text })
    refused += problems.length
    assert.ok(!problems.join('\n').includes(value), `${text}\n${problems.join('\n')}`)
  }
  assert.ok(refused > 30)
  assert.ok(!load({ text: 'insecureSkipVerify: true\nclientAuthMethod: none' }).warnings.join('\n').includes(SECRET))
})

test('the result is frozen all the way down', () => {
  const { config } = load({
    text: 'redis: { enabled: true, address: "r:1" }\nrules: [{ path: /a, require: { claims: { a.b: x } } }]\nupstreams: [{ url: "http://a" }]',
  })
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
    assert.ok(Object.isFrozen(value), path)
    for (const [name, member] of Object.entries(value)) visit(member, `${path}.${name}`)
  }
  visit(config, 'config')
  assert.throws(() => Object.assign(config.redis, { db: 9 }), TypeError)
})

test('a middleware block of the Traefik plugin can be pasted in; what does nothing here says so', () => {
  const { config, warnings } = load({
    text: `
providerURL: https://accounts.google.com
callbackURL: /oauth2/callback
rateLimit: 100
cookiePrefix: _oidc_
stripAuthCookies: true
securityHeaders: { enabled: true, profile: strict, customHeaders: { X-A: b } }
allowPrivateIPAddresses: true
minimalHeaders: true
headers:
  - name: X-User-Email
    value: "{{.Claims.email}}"
`,
  })
  assert.equal(config.rateLimits.loginsPerMinute, 100)
  assert.deepEqual(config.access.headers, [{ name: 'X-User-Email', template: '{{.Claims.email}}' }])
  assert.deepEqual(
    warnings.filter((line) => line.includes('does nothing')).map((line) => line.split(': ').slice(0, 3).join(': ')),
    [
      'c.yaml:6: stripAuthCookies: does nothing here',
      'c.yaml:7: securityHeaders: does nothing here',
      'c.yaml:8: allowPrivateIPAddresses: does nothing here',
      'c.yaml:9: minimalHeaders: does nothing here',
    ],
  )
})

const cookieNames: [text: string, session: string, flow: string, pass: string][] = [
  ['', '__Host-foregate_session', '__Host-foregate_flow_', '__Host-foregate_pass'],
  ['cookieName: sid', '__Host-sid', '__Host-foregate_flow_', '__Host-foregate_pass'],
  ['cookieName: __Secure-sid', '__Secure-sid', '__Host-foregate_flow_', '__Host-foregate_pass'],
  ['cookieDomain: .example.com', '__Secure-foregate_session', '__Secure-foregate_flow_', '__Secure-foregate_pass'],
  ['cookiePath: /oauth2', '__Secure-foregate_session', '__Secure-foregate_flow_', '__Secure-foregate_pass'],
  ['forceHTTPS: false', 'foregate_session', 'foregate_flow_', 'foregate_pass'],
  ['cookiePrefix: x-', '__Host-x-session', '__Host-x-flow_', '__Host-x-pass'],
]
for (const [text, session, flow, pass] of cookieNames) {
  test(`cookies are named ${session}, … with ${text || 'the defaults'}`, () => {
    const { cookies } = load({ text }).config
    assert.deepEqual([cookies.sessionName, cookies.flowPrefix, cookies.passName], [session, flow, pass])
  })
}

test('a provider on plain http is fine on loopback, and elsewhere only on request, with a warning', () => {
  for (const host of ['127.0.0.1:9000', 'localhost', '[::1]:1', 'id.localhost']) {
    assert.deepEqual(load({ text: `providerURL: http://${host}` }).warnings, [])
  }
  const { warnings } = load({ text: 'providerURL: http://id.internal\nallowInsecureProvider: true' })
  assert.match(warnings[0] ?? '', /^c\.yaml:1: providerURL: is plain http/)
})

test('tokens that are bound to a key are no use to applications that are handed them: that is warned of', () => {
  const headers = 'headers: [{ name: X-Token, template: "Bearer {{.AccessToken}}" }]'
  assert.match(
    load({ text: `dpop: auto\n${headers}` }).warnings[0] ?? '',
    /^c\.yaml:1: dpop: makes access tokens that only/,
  )
  assert.deepEqual(load({ text: headers }).warnings, [])
  assert.deepEqual(load({ text: 'dpop: auto\nheaders: [{ name: X-ID, template: "{{.IDToken}}" }]' }).warnings, [])
})

test('a public rule for a host with a port is warned of: behind a proxy the port is the word of the browser (B2)', () => {
  const rule = (policy: string) => `rules: [{ host: app.example.com:8443, policy: ${policy} }]`
  assert.match(load({ text: rule('public') }).warnings[0] ?? '', /^c\.yaml:1: rules\[0\]\.host: has a port/)
  assert.deepEqual(load({ text: rule('deny') }).warnings, [])
  assert.deepEqual(load({ text: 'rules: [{ host: app.example.com, policy: public }]' }).warnings, [])
  assert.deepEqual(load({ text: `${rule('public')}\nupstreams: [{ url: http://127.0.0.1:1 }]` }).warnings, [])
})

const everything = ['{ policy: login }', '{ path: /, policy: public }', "{ host: '*', path: /** }"]
const behind: readonly (readonly [earlier: string, later: string])[] = [
  ...everything.map((earlier) => [earlier, '{ host: app.example.com, path: /admin, policy: deny }'] as const),
  ['{ path: /a, policy: public }', '{ path: /a/b, policy: deny }'],
  ['{ path: /a/*, policy: public }', '{ path: /a/b/c, policy: deny }'],
  ['{ path: /a, policy: public }', '{ path: /a/**/b, policy: deny }'],
  ['{ host: app.example.com }', '{ host: APP.example.com:8443, path: /x, policy: deny }'],
  ["{ host: '*.example.com' }", '{ host: app.example.com, policy: deny }'],
  ['{ methods: [GET, post], policy: public }', '{ path: /a, methods: [POST], policy: deny }'],
  ['{ policy: public }', '{ networks: [192.0.2.0/24], policy: deny }'],
  [
    '{ networks: [192.0.2.0/24, 2001:db8::/32], policy: public }',
    '{ networks: [192.0.2.7, "::ffff:192.0.2.8"], policy: deny }',
  ],
]
for (const [earlier, later] of behind) {
  test(`a rule that another one keeps from all its requests is warned of: ${later} behind ${earlier}`, () => {
    const text = `rules:\n  - ${earlier}\n  - ${later}`
    const warnings = load({ text }).warnings.filter((line) => line.includes('never reached'))
    assert.deepEqual(warnings, [
      'c.yaml:3: rules[1]: is never reached: rules[0] matches all that it does; put it in front',
    ])
    const upstream = `upstreams:\n  - url: http://127.0.0.1:1\n    rules: [${earlier}, ${later}]`
    assert.match(
      load({ text: upstream }).warnings.join('\n'),
      /upstreams\[0\]\.rules\[1\]: is never reached: upstreams\[0\]/,
    )
  })
}

const reached: readonly (readonly [earlier: string, later: string])[] = [
  ['{ path: /admin, policy: deny }', '{ path: /, policy: public }'],
  ['{ path: /a/b }', '{ path: /a }'],
  ['{ path: /a, policy: public }', '{ path: /ab }'],
  ['{ path: /a/* }', '{ path: /a/** }'],
  ['{ path: /*/b }', '{ path: /** }'],
  ['{ host: app.example.com }', '{ path: /x }'],
  ["{ host: '*.example.com' }", '{ host: example.com }'],
  ['{ host: app.example.com:8443, policy: deny }', '{ host: app.example.com }'],
  ['{ host: a.example.com }', "{ host: '*.example.com' }"],
  ['{ methods: [GET], policy: public }', '{ path: /a }'],
  ['{ methods: [GET], policy: public }', '{ methods: [GET, POST] }'],
  ['{ networks: [192.0.2.0/24], policy: public }', '{ policy: deny }'],
  ['{ networks: [192.0.2.0/24], policy: public }', '{ networks: [192.0.2.7, 198.51.100.7], policy: deny }'],
  ['{ networks: [192.0.2.7], policy: public }', '{ networks: [192.0.2.0/24] }'],
]
for (const [earlier, later] of reached) {
  test(`a rule that has requests of its own is not: ${later} behind ${earlier}`, () => {
    const { warnings } = load({ text: `rules:\n  - ${earlier}\n  - ${later}` })
    assert.deepEqual(
      warnings.filter((line) => line.includes('never reached')),
      [],
    )
  })
}

test('the issuer is kept exactly as written', () => {
  assert.equal(
    load({ text: 'providerURL: https://ID.example.com/realms/a/' }).config.provider.providerURL,
    'https://ID.example.com/realms/a/',
  )
})

test('scopes are added to the defaults, unless they override them', () => {
  assert.deepEqual(load({ text: 'scopes: [groups, email]' }).config.provider.scopes, [
    'openid',
    'profile',
    'email',
    'groups',
  ])
  assert.deepEqual(load({ text: 'scopes: [openid, groups]\noverrideScopes: true' }).config.provider.scopes, [
    'openid',
    'groups',
  ])
})

test('a public client and private_key_jwt need no client secret', () => {
  const env = { CLIENT_SECRET: '' }
  assert.equal(load({ text: 'clientAuthMethod: none', env }).config.provider.clientSecret, undefined)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const files = { '/k.pem': privateKey.export({ type: 'sec1', format: 'pem' }).toString() }
  const text = 'clientAuthMethod: private_key_jwt\nclientAssertionPrivateKeyPath: /k.pem\nclientAssertionAlg: ES256'
  const assertion = load({ text, env, files }).config.provider.clientAssertion
  assert.match(assertion?.privateKeyPEM ?? '', /^-----BEGIN PRIVATE KEY-----/)
  assert.match(
    problemsOf({ text: text.replace('ES256', 'RS256'), env, files })[0] ?? '',
    /does not fit clientAssertionAlg, which needs an RSA key/,
  )
})

test('a private key of several lines may stand in one variable, with \\n written out', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim()
  const env = {
    CLIENT_SECRET: '',
    CLIENT_AUTH_METHOD: 'private_key_jwt',
    CLIENT_ASSERTION_ALG: 'EdDSA',
    CLIENT_ASSERTION_PRIVATE_KEY: pem.replaceAll('\n', String.raw`\n`),
  }
  assert.equal(load({ env }).config.provider.clientAssertion?.privateKeyPEM.trim(), pem)
})

test('durations become milliseconds and sizes bytes', () => {
  const { config } = load({
    text: 'sessionMaxAge: 3600\nsessionIdleTimeout: 30m\nclockSkew: 0\noutage: { storeDeadline: 100ms, maxStale: 1m }\nmemory: { maxMB: 2 }',
  })
  assert.deepEqual(
    [
      config.session.maxAgeMs,
      config.session.idleTimeoutMs,
      config.provider.clockSkewMs,
      config.outage.storeDeadlineMs,
      config.outage.maxStaleMs,
      config.memory.maxBytes,
    ],
    [3_600_000, 1_800_000, 0, 100, 60_000, 2_097_152],
  )
  assert.equal(load({ text: 'sessionIdleTimeout: off' }).config.session.idleTimeoutMs, undefined)
})

test('a rate limit that is off lets any number of logins through', () => {
  assert.equal(load({ text: 'rateLimit: { enabled: false }' }).config.rateLimits.loginsPerMinute, Infinity)
  assert.equal(load({}).config.rateLimits.loginsPerMinute, 300)
})

test('a rule is read whole', () => {
  const text =
    'rules: [{ host: Admin.Example.com, path: /x/**, methods: get, networks: "10.0.0.0/8, fd00::/8", require: { users: a@b.c, domains: ["@B.c"], claims: { a.b: [1, true], c: x }, acr: "urn:gold, silver", maxAge: 5m } }]'
  assert.deepEqual(load({ text }).config.access.rules, [
    {
      host: 'admin.example.com',
      path: '/x/**',
      methods: ['GET'],
      networks: ['10.0.0.0/8', 'fd00::/8'],
      policy: 'login',
      passesPreflight: false,
      require: {
        users: ['a@b.c'],
        domains: ['b.c'],
        groups: undefined,
        roles: undefined,
        claims: { 'a.b': ['1', 'true'], c: ['x'] },
        scopes: undefined,
        acr: ['urn:gold', 'silver'],
        maxAgeMs: 300_000,
        providers: undefined,
      },
    },
  ])
})

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json(),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'redis',
          'rules',
          '- ',
          '  ',
          'listen',
          '&a',
          '*a',
          '<<',
          '__proto__',
          'rateLimit',
          'headers',
          '? ',
          '!!set',
          '---',
          '${A',
          '{',
          '[',
          '|',
          '#',
          '"',
        ),
        fc.constantFrom(': ', '\n', ' ', '', ': [', ': {', ', '),
        fc.constantFrom('1', 'true', '*a', '&a', '${X:-y}', '${', '~', '.nan', '', '\t', '[[', '}', '{a: 1}'),
        fc.constantFrom('\n', '\n  ', ' ', ''),
      ),
    )
    .map((parts) => parts.flat().join('')),
)

test('whatever the file holds, loading it gives a configuration or ConfigInvalid, nothing else', () => {
  fc.assert(
    fc.property(anyText, (text) => void problemsOf({ text })),
    { numRuns: 200 },
  )
})

const names = [
  'providerURL',
  'listen',
  'redis',
  'rules',
  'headers',
  'upstreams',
  'rateLimit',
  'sessionEncryptionKey',
  'extraAuthParams',
  'trustedProxies',
  'scopes',
  'bearer',
  'pages',
  'outage',
  '__proto__',
  'constructor',
]
test('whatever shape an option has, loading it gives a configuration or ConfigInvalid, nothing else', () => {
  const tree = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 4 }))
  fc.assert(
    fc.property(tree, (value) => void problemsOf({ text: JSON.stringify(value) })),
    { numRuns: 200 },
  )
})

test('deep nesting and exploding aliases are a problem, not a crash', () => {
  assert.equal(problemsOf({ text: '['.repeat(20_000) }).length, 1)
  assert.match(problemsOf({ text: `a: ${'['.repeat(30)}${']'.repeat(30)}` })[0] ?? '', /nested more than 20 deep/)
  const bomb = [
    'a0: &a0 [x]',
    ...Array.from({ length: 12 }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`),
  ]
  assert.match(problemsOf({ text: bomb.join('\n') })[0] ?? '', /too large/)
})

test('an alias repeats what its anchor said', () => {
  const { config } = load({ text: 'allowedUsers: &people [a@b.c]\nrules: [{ path: /x, require: { users: *people } }]' })
  assert.deepEqual(config.access.rules[0]?.require?.users, ['a@b.c'])
  assert.equal(KEY.length, 32)
})

test('the host * of a rule or an upstream is any host', () => {
  const { config } = load({ text: 'rules: [{ host: "*", path: /x }]\nupstreams: [{ host: "*", url: "http://a" }]' })
  assert.deepEqual([config.access.rules[0]?.host, config.upstreams[0]?.host], [undefined, undefined])
})

test('what only the compilers of rules and templates see comes with everything else, each with its line (C16)', () => {
  const problems = problemsOf({
    text: `logLevel: loud
excludedURLs:
  - /public
  - /a%2fb
rules:
  - path: /a
    methods:
      - GET
      - "*"
  - host: app.example.com:443
  - path: /b
    policy: public
    require: { groups: [a] }
headers:
  - name: X-A
    value: "{{.Claims.email"
  - name: x_a
    template: "{{.Claims.email}}"
upstreams:
  - url: http://127.0.0.1:1
    rules:
      - path: /%zz
redis: { enabled: true }
`,
  })
  assert.deepEqual(
    problems.map((line) => line.split(': ').slice(0, 2).join(' ')),
    [
      'c.yaml:1 logLevel',
      'c.yaml:4 excludedURLs[1]',
      'c.yaml:7 rules[0].methods',
      'c.yaml:10 rules[1].host',
      'c.yaml:13 rules[2].require',
      'c.yaml:16 headers[0].value',
      'c.yaml:17 headers[1].name',
      'c.yaml:22 upstreams[0].rules[0].path',
      'c.yaml:23 redis.address',
    ],
    problems.join('\n'),
  )
})

test('a name of a directory is one group, however it is written (C13)', () => {
  const name = 'CN=admins,OU=groups,DC=example,DC=com'
  assert.deepEqual(load({ text: `allowedRolesAndGroups: ${name}` }).config.access.allowedRolesAndGroups, [name])
  assert.deepEqual(load({ env: { ALLOWED_ROLES_AND_GROUPS: name } }).config.access.allowedRolesAndGroups, [name])
  assert.deepEqual(load({ env: { ALLOWED_ROLES_AND_GROUPS: `["${name}", b]` } }).config.access.allowedRolesAndGroups, [
    name,
    'b',
  ])
  assert.deepEqual(
    load({ text: `rules: [{ path: /a, require: { groups: "${name}" } }]` }).config.access.rules[0]?.require?.groups,
    [name],
  )
  assert.deepEqual(load({ env: { ALLOWED_ROLES_AND_GROUPS: 'a,b' } }).config.access.allowedRolesAndGroups, ['a', 'b'])
})

const examples: [text: string, message: RegExp][] = [
  ['logoutURL: logout', /logoutURL: must be a path that starts with \/, such as \/oauth2\/logout /],
  ['logoutURL: https://a.example.com/out', /logoutURL: .*such as \/oauth2\/logout \(without a host/],
  ['logoutURL: /oauth2/sign_in', /logoutURL: is taken.*such as \/oauth2\/logout$/],
  ['logoutURL: /a/*', /logoutURL: must be one plain path, such as \/oauth2\/logout/],
  ['callbackURL: cb', /callbackURL: must be a path that starts with \/, such as \/oauth2\/callback /],
  ['cookiePath: app', /cookiePath: must be a path that starts with \/, such as \/app$/],
  [
    'upstreams: [{ url: "http://a", path: app }]',
    /upstreams\[0\]\.path: must be a path that starts with \/, such as \/app$/,
  ],
]
for (const [text, message] of examples) {
  test(`the example in a message is one for the option: ${text} (D9)`, () =>
    assert.match(problemsOf({ text }).join(), message))
}

test('a client certificate of an upstream needs both of its files, which belong together', () => {
  assert.match(
    problemsOf({ text: 'upstreams: [{ url: "https://a", certFile: /x.pem }]' }).join('\n'),
    /upstreams\[0\]\.keyFile: is missing; a client certificate needs both certFile and keyFile/,
  )
  const authority = createAuthority()
  const [one, other] = [authority.issue('one'), authority.issue('other')]
  const text = 'upstreams: [{ url: "https://a", certFile: /cert, keyFile: /key }]'
  assert.deepEqual(problemsOf({ text, files: { '/cert': one.cert, '/key': one.key } }), [])
  assert.match(
    problemsOf({ text, files: { '/cert': one.cert, '/key': other.key } }).join('\n'),
    /upstreams\[0\]\.keyFile: is not the key of the certificate in certFile/,
  )
})
