// Configurations of the kinds that people publish, with their values replaced: each is accepted, or refused with the remedy in
// the message. What the service does with an accepted one is in its warnings.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { loadConfig } from '../../src/load-config.ts'
import type { Config } from '../../src/config/config.ts'
import { ConfigInvalid } from '../../src/errors.ts'
import { KEY, SECRET } from './load-fixture.ts'

const directory = new URL('published/', import.meta.url)
const mounts = '/var/run/secrets/foregate'
const disk: Readonly<Record<string, string | undefined>> = {
  [`${mounts}/traefik-oidc/CLIENT_ID`]: 'mounted-id\n',
  [`${mounts}/traefik-oidc/CLIENT_SECRET`]: `${SECRET}\n`,
  [`${mounts}/traefik-oidc/SESSION_KEY`]: `${KEY}\n`,
  [`${mounts}/oidc-secret/SECRET`]: SECRET,
  [`${mounts}/redis/password`]: 'redis-password-1f\n',
}
const env = { CLIENT_SECRET: SECRET, SESSION_KEY: KEY, GOOGLE_CLIENT_ID: 'google-id', GOOGLE_CLIENT_SECRET: SECRET }

const loaded = (file: string) =>
  loadConfig({
    file,
    text: readFileSync(new URL(file, directory), 'utf8'),
    env,
    readFile: (path) => {
      const content = disk[path]
      if (content === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' })
      return content
    },
  })

/** `holds`: what of the configuration shows that the right block was read as it was meant. */
const accepted: readonly [
  file: string,
  holds: (config: Config) => unknown,
  value: unknown,
  warnings: readonly RegExp[],
][] = [
  [
    'k8s-middleware.yaml',
    ({ provider, access, rateLimits }) => [provider.clientID, access.allowedRolesAndGroups, rateLimits.loginsPerMinute],
    ['mounted-id', ['admin', 'developer'], 100],
    [
      /spec\.plugin\.traefikoidc/,
      /: scopes: offline_access/,
      /: rateLimit: counts logins/,
      /: excludedURLs: .*\/publicsecret/,
    ],
  ],
  [
    'k8s-manifests.yaml',
    ({ provider, paths }) => [provider.clientID, paths.logout],
    ['whoami', '/cool-oidc/logout'],
    [/^k8s-manifests\.yaml:24: the options are those of spec\.plugin\.traefikoidc/],
  ],
  [
    'dynamic-file.yaml',
    ({ provider, cookies }) => [provider.clientID, cookies.domain, provider.enablePKCE, cookies.forceHTTPS],
    ['google-id', 'example.com', true, true],
    [/http\.middlewares\.oidc-auth/, /Google: extraAuthParams/],
  ],
  [
    'compose-labels.yaml',
    ({ provider, redis, access }) => [provider.clientID, redis.mode, access.headers],
    ['whoami', 'hybrid', [{ name: 'X-User-Email', template: '{{.Claims.email}}' }]],
    [/the labels traefik\.http\.middlewares\.my-oidc/, /: logoutURL: .*callbackURL \+ \/logout/],
  ],
  [
    'swarm-labels.yaml',
    ({ provider, paths }) => [provider.clientID, paths.callback, provider.scopes],
    ['app', '/oauth2/callback', ['openid', 'profile', 'email', 'roles']],
    [/the labels traefik\.http\.middlewares\.auth/],
  ],
  ['labels-alone.txt', ({ provider }) => provider.clientID, 'app', [/the labels/]],
  [
    'google-block.yaml',
    ({ access, cookies }) => [access.allowedUserDomains, cookies.forceHTTPS],
    [['example.com'], false],
    [/: forceHTTPS: is off/, /: rateLimit: counts/, /: excludedURLs:/],
  ],
  [
    'letter-case.yaml',
    ({ provider, redis }) => [provider.clientID, redis.mode !== 'memory'],
    ['app', true],
    [/those of traefikoidc;/],
  ],
  [
    'azure-block.yaml',
    ({ access, provider }) => [access.allowedRolesAndGroups, provider.scopes.includes('offline_access')],
    [['CN=admins,OU=groups,DC=corp,DC=example'], true],
    [/those of plugin\.traefikoidc;/],
  ],
  [
    'auth0-block.yaml',
    ({ access, provider }) => [access.roleClaimName, provider.extraAuthParams],
    ['https://myapp.example.com/roles', { organization: 'org_1' }],
    [/http\.middlewares\.auth0/],
  ],
  [
    'redis-hybrid.yaml',
    ({ redis }) => [redis.password?.(), redis.l1.maxItems, redis.tls !== undefined],
    ['redis-password-1f', 1_000, true],
    [/those of traefikoidc;/],
  ],
  [
    'templated-headers.yaml',
    ({ access }) => access.headers.map(({ template }) => template),
    ['{{{{.Claims.email}}}}', '{{{{.Claims.sub}}}}', 'Bearer {{{{.AccessToken}}}}'],
    [/: headers: X-User-Groups/],
  ],
  [
    'inside-traefik-only.yaml',
    ({ session }) => session.maxAgeMs,
    604_800_000,
    [/stripAuthCookies: does nothing here/, /securityHeaders: does nothing/, /perSourceLoginRateLimit: does nothing/],
  ],
  ['merge-keys.yaml', ({ provider, redis }) => [provider.clientID, redis.mode], ['app', 'hybrid'], []],
  ['helm-values.yaml', ({ provider }) => provider.clientID, 'app', [/extraObjects\[0\]\.spec\.plugin\.traefikoidc/]],
]
for (const [file, holds, value, expected] of accepted) {
  test(`${file} is accepted as it was published`, () => {
    const { config, warnings } = loaded(file)
    assert.deepEqual(holds(config), value)
    for (const warning of expected) assert.match(warnings.join('\n'), warning)
    for (const line of warnings) assert.match(line, /^[\w.-]+:\d+: /)
  })
}

const refused: readonly [file: string, remedies: readonly RegExp[]][] = [
  [
    'readme-example.yaml',
    [
      /:9: clientID: .*placeholder your-client-id; give it a value of your own/,
      /:10: clientSecret: .*placeholder your-client-secret/,
      /:11: sessionEncryptionKey: is an example from documentation/,
    ],
  ],
  [
    'env-template.txt',
    [
      /:7: clientID: .*another program would fill in before; write \$\{NAME\}/,
      /:8: clientSecret: is a reference that another program fills in.*write \$\{NAME\}/,
      /:9: sessionEncryptionKey: is a reference that another program fills in/,
    ],
  ],
  [
    'redis-placeholder.yaml',
    [
      /:5: sessionEncryptionKey: is made of words about itself.*openssl rand/,
      /:10: redis\.password: looks like a placeholder/,
    ],
  ],
  [
    'range-template.yaml',
    [
      /:9: headers\[0\]\.value: .*`range` is not supported; a list comes out joined with commas: \{\{\.Claims\.roles\}\}/,
      /:11: headers\[1\]\.value: .*`if` is not supported; what is missing is empty/,
    ],
  ],
  [
    'absolute-callback.yaml',
    [
      /:6: providerURL: must be the issuer alone: leave out \/\.well-known/,
      /:10: callbackURL: must be a path that starts with \/, such as \/oauth2\/callback.*publicURL/,
    ],
  ],
  ['two-middlewares.yaml', [/:11: holds 2 blocks of options \(lines 5, 11\).*keep one/]],
  ['tabs.txt', [/:2: is indented with a tab, which YAML does not allow; use spaces/]],
  [
    'oauth2-proxy.cfg',
    [
      /:1: is no YAML but lines of name = value.*write `name: value`/,
      /:2: cookie_secret: .*here it is sessionEncryptionKey/,
      /:4: email_domains: .*here it is allowedUserDomains/,
      /:5: oidc_issuer_url: .*here it is providerURL/,
      /:10: redirect_url: .*here it is callbackURL \(the path alone; scheme and host are publicURL\)/,
      /:12: whitelist_domains: .*here it is allowedRedirectHosts/,
      /:16: session_store_type: .*here it is redis\.enabled/,
      /:17: redis_connection_url: .*here it is redis\.url/,
    ],
  ],
  [
    'oauth2-proxy-alpha.yaml',
    [
      /upstreamConfig: .*here it is upstreams/,
      /injectRequestHeaders: .*here it is headers/,
      /providers: .*here it is providerURL/,
    ],
  ],
  [
    'oauth2-proxy.env',
    [
      /:1: is no YAML but lines of name = value/,
      /:2: OAUTH2_PROXY_OIDC_ISSUER_URL: .*here it is providerURL/,
      /:7: OAUTH2_PROXY_ALLOWED_GROUPS: .*here it is allowedRolesAndGroups/,
    ],
  ],
  [
    'oauth2-proxy-helm-values.yaml',
    [/:3: clientSecret: looks like a placeholder/, /:4: cookieSecret: .*here it is sessionEncryptionKey/],
  ],
  [
    'oauth2-proxy-snake.yaml',
    [
      /:1: provider: .*any OpenID Connect provider works by its issuer: providerURL/,
      /:2: oidc_issuer_url: .*here it is providerURL/,
      /:3: client_id: .*here it is clientID/,
      /:5: cookie_secret: .*here it is sessionEncryptionKey/,
      /:6: email_domains: .*here it is allowedUserDomains/,
      /:7: skip_provider_button: .*here it is pages\.skipSignIn/,
      /:8: upstreams\[0\]: must be a group of options \(a YAML mapping\), such as \{ url:/,
    ],
  ],
  [
    'traefik-oidc-auth.yaml',
    [
      /:7: Secret: .*here it is sessionEncryptionKey \(at least 32 bytes of your own; the plugin’s default is public\)/,
      /:9: Provider\.UrlEnv: .*here it is providerURL \(as \$\{VAR\}\)/,
      /:12: Provider\.UsePkce: .*here it is enablePKCE/,
      /:14: SessionCookie\.Path: .*here it is cookiePath/,
    ],
  ],
  [
    'traefik-oidc-auth-k8s.yaml',
    [
      /:10: provider\.url: .*here it is providerURL/,
      /:14: logoutUri: .*here it is logoutURL/,
      /:16: bypassAuthenticationRule: .*here it is rules \(as \{ path: \/x, policy: public \}/,
      /:18: authorization\.assertClaims: .*here it is rules/,
    ],
  ],
  [
    'oauth2-proxy-compose.yaml',
    [
      /:1: holds no options of this service/,
      /:5: --provider: .*providerURL/,
      /:6: --oidc-issuer-url: .*here it is providerURL/,
      /:7: --email-domain: .*here it is allowedUserDomains/,
      /:9: OAUTH2_PROXY_CLIENT_ID: .*here it is clientID/,
      /:10: OAUTH2_PROXY_COOKIE_SECRET: .*here it is sessionEncryptionKey/,
    ],
  ],
  [
    'oauth2-proxy-deployment.yaml',
    [
      /:1: holds no options of this service/,
      /:13: --upstream: .*here it is upstreams/,
      /:15: OAUTH2_PROXY_CLIENT_SECRET: .*here it is clientSecret/,
    ],
  ],
  ['k8s-forward-auth.yaml', [/:1: holds no options of this service: .*plugin: \{ NAME: … \}/]],
  ['traefik-dynamic.toml.txt', [/is no YAML but lines of name = value, as TOML.*write `name: value`/]],
]
for (const [file, remedies] of refused) {
  test(`${file} is refused, and each message has the remedy`, () => {
    let problems: readonly string[] = []
    try {
      loaded(file)
    } catch (error) {
      if (!(error instanceof ConfigInvalid)) throw error
      problems = error.problems
    }
    for (const remedy of remedies) assert.match(problems.join('\n'), remedy)
    for (const line of problems) assert.match(line, /^[\w.-]+:\d+: /)
  })
}

test('every published configuration is in one of the tables', () => {
  const named = [...accepted, ...refused].map(([file]) => file)
  assert.deepEqual(readdirSync(directory).toSorted(), named.toSorted())
  assert.ok(named.length >= 25)
})
