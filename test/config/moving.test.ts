// Moving in from another program: what means something else here is said, and its names are answered with ours.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { ignoredOptions } from '../../src/config/ignored.ts'
import { oauth2Proxy } from '../../src/config/moving-oauth2-proxy.ts'
import { traefikForwardAuth } from '../../src/config/moving-traefik-forward-auth.ts'
import { traefikOidcAuth } from '../../src/config/moving-traefik-oidc-auth.ts'
import { oauth2ProxyMove } from '../../src/config/moving.ts'
import type { Move } from '../../src/config/moving.ts'
import { allOptions } from '../../src/config/schema.ts'
import { load, problemsOf, REQUIRED } from './load-fixture.ts'

const plugin = 'callbackURL: /cb\nrateLimit: 100\nexcludedURLs: [/public]\nstripAuthCookies: true\n'

const meanings: [word: string, both: RegExp, silenced: string][] = [
  [
    'scopes',
    /: scopes: offline_access is asked for only when it stands here; the plugin adds it by itself/,
    'scopes: [offline_access]',
  ],
  ['scopes', /: scopes: offline_access/, 'overrideScopes: true\nscopes: [openid]'],
  [
    'logoutURL',
    /: logoutURL: is \/oauth2\/logout unless it is given; the plugin’s is callbackURL \+ \/logout/,
    'logoutURL: /cb/logout',
  ],
  [
    'clientAuthMethod',
    /: clientAuthMethod: is client_secret_basic.*the plugin’s is client_secret_post/,
    'clientAuthMethod: client_secret_post',
  ],
  [
    'headers',
    /: headers: X-User-Groups, X-User-Roles, X-Auth-Request-Token are set only when named here; the plugin always/,
    'minimalHeaders: true',
  ],
]
for (const [word, both, silenced] of meanings) {
  test(`${word} in a plugin's block: a warning names both meanings, until the block says which (D6)`, () => {
    const { warnings } = load({ text: plugin })
    assert.equal(warnings.filter((line) => both.test(line)).length, 1, warnings.join('\n'))
    assert.ok(!load({ text: `${plugin}${silenced}\n` }).warnings.some((line) => both.test(line)))
  })
}

test('rateLimit and excludedURLs of a plugin’s block have their lines, and both meanings (D6)', () => {
  const { warnings } = load({ text: plugin })
  assert.match(
    warnings.join('\n'),
    /^c\.yaml:2: rateLimit: counts logins per minute and address; the plugin’s counts requests per second/m,
  )
  assert.match(warnings.join('\n'), /^c\.yaml:3: excludedURLs: .*\/publicsecret/m)
})

test('a header that is named is not missing (D6)', () => {
  const text = `${plugin}headers: [{ name: x-user-roles, value: "{{.Claims.roles}}" }]`
  assert.match(load({ text }).warnings.join('\n'), /: headers: X-User-Groups, X-Auth-Request-Token are set only/)
})

test('a configuration that is no plugin’s hears nothing of the plugin (D6)', () => {
  const text =
    'callbackURL: /cb\nexcludedURLs: [/public]\nrateLimit: { loginsPerMinute: 100 }\nheaders: [{ name: X-A, template: b }]'
  assert.deepEqual(load({ text }).warnings, [])
})

for (const signal of [
  'rateLimit: 100',
  'minimalHeaders: false',
  'headers: [{ name: X-A, value: b }]',
  'cookiePrefix: _oidc_raczylo_',
]) {
  test(`${signal} is how the plugin's users write (D6)`, () => {
    assert.match(load({ text: `${signal}\n` }).warnings.join('\n'), /offline_access/)
  })
}

test('a block of nothing but the plugin’s words is one, wherever it stands (D6)', () => {
  const text = 'providerURL: https://issuer.example\ncallbackURL: /cb\nexcludedURLs: [/public]\nforceHTTPS: true\n'
  const { warnings } = load({ text })
  for (const word of ['scopes', 'logoutURL', 'excludedURLs', 'headers']) {
    assert.ok(
      warnings.some((line) => line.includes(`: ${word}: `)),
      `${word}\n${warnings.join('\n')}`,
    )
  }
  assert.deepEqual(load({ text: `${text}trustedProxies: [10.0.0.1]\n` }).warnings, [])
  assert.deepEqual(load({ text: text.replace('callbackURL: /cb\n', '') }).warnings, [])
})

// --- oauth2-proxy -----------------------------------------------------------------------------------------------------

const written: [name: string, option: string | undefined][] = [
  ['--oidc-issuer-url', 'providerURL'],
  ['oidc_issuer_url', 'providerURL'],
  ['OAUTH2_PROXY_OIDC_ISSUER_URL', 'providerURL'],
  ['email_domains', 'allowedUserDomains'],
  ['--email-domain', 'allowedUserDomains'],
  ['OAUTH2_PROXY_EMAIL_DOMAINS', 'allowedUserDomains'],
  ['OAUTH2_PROXY_COOKIE_DOMAIN', 'cookieDomain'],
  ['redis_sentinel_connection_urls', 'redis.sentinel.addresses'],
  ['OAUTH2_PROXY_REDIS_SENTINEL_CONNECTION_URL', 'redis.sentinel.addresses'],
  ['cookieSecret', 'sessionEncryptionKey'],
  ['OAUTH2_PROXY_SERVICE_HOST', undefined],
  ['constructor', undefined],
]
for (const [name, option] of written) {
  test(`${name} of oauth2-proxy is ${option ?? 'none of its options'} (D8)`, () => {
    const move = oauth2ProxyMove(name)
    assert.equal(move?.option, option)
  })
}

test('a configuration of oauth2-proxy is answered line by line with our names (D8)', () => {
  const problems = problemsOf({
    text: `# oauth2-proxy\nhttp_address = "0.0.0.0:4180"\nprovider = "oidc"\noidc_issuer_url = "https://issuer.example"\nclient_id = "a"\nemail_domains = [ "example.com" ]\ncookie_secret = "x"\nupstreams = [\n  "http://127.0.0.1:8080/"\n]\n`,
  })
  assert.match(problems[0] ?? '', /^c\.yaml:2: is no YAML but lines of name = value/)
  const text = problems.join('\n')
  for (const line of [
    /^c\.yaml:2: http_address: is a name of oauth2-proxy; here it is listen/m,
    /^c\.yaml:4: oidc_issuer_url: is a name of oauth2-proxy; here it is providerURL; see docs\/moving\.md$/m,
    /^c\.yaml:6: email_domains: .*here it is allowedUserDomains/m,
    /^c\.yaml:7: cookie_secret: .*here it is sessionEncryptionKey/m,
    /^c\.yaml:8: upstreams: .*here it is upstreams/m,
  ]) {
    assert.match(text, line)
  }
  assert.ok(!text.includes('issuer.example'))
})

test('names of oauth2-proxy in YAML are answered with ours, which are then not missing (D8)', () => {
  const problems = problemsOf({
    text: 'oidc_issuer_url: https://issuer.example\nclient_id: a\ncookie_secret: b\nemail-domain: example.com\ncookie_httponly: true\n',
    env: { PROVIDER_URL: '', CLIENT_ID: '', SESSION_ENCRYPTION_KEY: '' },
  })
  assert.deepEqual(
    problems.map(
      (line) => /: (\w[\w-]*): .*(?:here it is|did you mean) (\w+)/.exec(line)?.slice(1, 3) ?? line.split(': ')[1],
    ),
    [
      ['oidc_issuer_url', 'providerURL'],
      ['client_id', 'clientID'],
      ['cookie_secret', 'sessionEncryptionKey'],
      ['email-domain', 'allowedUserDomains'],
      'cookie_httponly',
    ],
  )
})

test('a variable of oauth2-proxy that keeps people out is refused while nothing of ours says so (D8)', () => {
  const env = { OAUTH2_PROXY_ALLOWED_GROUPS: 'ops', OAUTH2_PROXY_COOKIE_NAME: 'a' }
  const problems = problemsOf({ env })
  assert.equal(problems.length, 2, problems.join('\n'))
  assert.match(
    problems.join('\n'),
    /^environment:OAUTH2_PROXY_ALLOWED_GROUPS: is a name of oauth2-proxy; here it is allowedRolesAndGroups.*its variable is ALLOWED_ROLES_AND_GROUPS$/m,
  )
  const { warnings } = load({ env: { ...env, ALLOWED_ROLES_AND_GROUPS: 'ops' } })
  assert.equal(warnings.length, 2, warnings.join('\n'))
})

test('variables of oauth2-proxy are named when the configuration fails, and are warnings when it holds (D8)', () => {
  const env = { OAUTH2_PROXY_OIDC_ISSUER_URL: 'https://issuer.example', OAUTH2_PROXY_REVERSE_PROXY: 'true' }
  assert.match(
    problemsOf({ env: { ...env, PROVIDER_URL: '' } }).join('\n'),
    /providerURL: is missing[^]*environment:OAUTH2_PROXY_OIDC_ISSUER_URL: .*its variable is PROVIDER_URL/,
  )
  const { warnings } = load({ env })
  assert.equal(warnings.length, 2)
  assert.ok(!warnings.join().includes('issuer.example'))
})

test('everybody’s domain is an empty list, and a Service called oauth2-proxy is no option (D8)', () => {
  assert.match(load({ env: { OAUTH2_PROXY_EMAIL_DOMAINS: '*' } }).warnings.join(), /allowedUserDomains/)
  assert.deepEqual(
    load({
      env: {
        OAUTH2_PROXY_SERVICE_HOST: '10.0.0.1',
        OAUTH2_PROXY_PORT: 'tcp://10.0.0.1:4180',
        OAUTH2_PROXY_PORT_4180_TCP: 'x',
      },
    }).warnings,
    [],
  )
})

// --- the tables -------------------------------------------------------------------------------------------------------

const known = new Set(allOptions.map(({ path }) => path.join('.')))
for (const [program, table] of [
  ['oauth2-proxy', oauth2Proxy],
  ['traefik-oidc-auth', traefikOidcAuth],
  ['traefik-forward-auth', traefikForwardAuth],
] as const) {
  test(`every option that a name of ${program} is answered with exists`, () => {
    for (const [name, move] of Object.entries<Move>(table)) {
      if (move.option !== undefined) assert.ok(known.has(move.option), `${name} -> ${move.option}`)
      assert.ok(move.option !== undefined || move.note !== undefined, `${name} is answered with nothing`)
    }
  })
}

/** The rows of one section's table: their cells. */
function rows(heading: string): string[][] {
  const page = readFileSync(new URL('../../docs/moving.md', import.meta.url), 'utf8')
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const names = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)

for (const [heading, table] of [
  ['From oauth2-proxy', oauth2Proxy],
  ['From traefik-oidc-auth', traefikOidcAuth],
  ['From traefik-forward-auth', traefikForwardAuth],
] as const) {
  test(`docs/moving.md, ${heading}: each row's name exists, and says what the messages say`, () => {
    const documented = new Map(
      rows(heading).flatMap(([theirs, ours]) => names(theirs).map((name) => [name.toLowerCase(), ours] as const)),
    )
    for (const [name, move] of Object.entries<Move>(table)) {
      const ours = documented.get(name)
      assert.ok(ours !== undefined, `${name} has no row`)
      assert.deepEqual(names(ours)[0], move.option, name)
    }
    assert.equal(documented.size, Object.keys(table).length, 'a row that no message knows')
    for (const ours of documented.values()) for (const name of names(ours)) assert.ok(known.has(name), name)
  })
}

test('docs/moving.md, From the Traefik plugin: each row is an option, and none that does nothing is missing', () => {
  const documented = rows('From the Traefik plugin').flatMap(([theirs]) => names(theirs))
  for (const name of documented) assert.ok(known.has(name) || known.has(`${name}.enabled`), name)
  for (const name of Object.keys(ignoredOptions)) assert.ok(documented.includes(name), `${name} has no row`)
})

test('a block of traefik-oidc-auth is answered option by option (D1, D8)', () => {
  const problems = problemsOf({
    text: `http:
  middlewares:
    oidc-auth:
      plugin:
        traefik-oidc-auth:
          LogLevel: DEBUG
          Secret: "MLFs4TT99kOOq8h3UAVRtYoCTDYXiRcZ"
          Provider:
            UrlEnv: "PROVIDER_URL"
            ClientId: "a"
            ClientSecret: "b"
            UsePkce: true
          Scopes: [openid, profile]
          LogoutUri: /logout
          Headers:
            - Name: X-Sub
              Value: "{{\`{{ .claims.sub }}\`}}"
          Unheard: true
`,
    env: Object.fromEntries(Object.keys(REQUIRED).map((name) => [name, ''])),
  })
  const text = problems.join('\n')
  for (const line of [
    /^c\.yaml:7: Secret: is a name of traefik-oidc-auth; here it is sessionEncryptionKey/m,
    /^c\.yaml:9: Provider\.UrlEnv: .*here it is providerURL \(as \$\{VAR\}\)/m,
    /^c\.yaml:10: Provider\.ClientId: .*here it is clientID/m,
    /^c\.yaml:11: Provider\.ClientSecret: .*here it is clientSecret/m,
    /^c\.yaml:12: Provider\.UsePkce: .*here it is enablePKCE/m,
    /^c\.yaml:14: LogoutUri: .*here it is logoutURL/m,
    /^c\.yaml:18: Unheard: is no option here/m,
  ]) {
    assert.match(text, line)
  }
  assert.equal(problems.length, 7, text)
})
