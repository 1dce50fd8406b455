import assert from 'node:assert/strict'
import test from 'node:test'
import { environmentName } from '../../src/config/environment.ts'
import { interpolate } from '../../src/config/interpolate.ts'
import { allOptions } from '../../src/config/schema.ts'
import { load, problemsOf } from './load-fixture.ts'

const names: [path: string, variable: string][] = [
  ['providerURL', 'PROVIDER_URL'],
  ['clientID', 'CLIENT_ID'],
  ['caCertPEM', 'CA_CERT_PEM'],
  ['excludedURLs', 'EXCLUDED_URLS'],
  ['enablePKCE', 'ENABLE_PKCE'],
  ['forceHTTPS', 'FORCE_HTTPS'],
  ['allowPrivateIPAddresses', 'ALLOW_PRIVATE_IP_ADDRESSES'],
  ['postLogoutRedirectURI', 'POST_LOGOUT_REDIRECT_URI'],
  ['oidcEndSessionURL', 'OIDC_END_SESSION_URL'],
  ['clientAssertionKeyID', 'CLIENT_ASSERTION_KEY_ID'],
  ['redis.enabled', 'REDIS_ENABLED'],
  ['redis.db', 'REDIS_DB'],
  ['redis.keyPrefix', 'REDIS_KEY_PREFIX'],
  ['redis.cacheMode', 'REDIS_CACHE_MODE'],
  ['redis.enableTLS', 'REDIS_ENABLE_TLS'],
  ['redis.tlsSkipVerify', 'REDIS_TLS_SKIP_VERIFY'],
  ['redis.hybridL1Size', 'REDIS_HYBRID_L1_SIZE'],
  ['redis.hybridL1MemoryMB', 'REDIS_HYBRID_L1_MEMORY_MB'],
  ['redis.sentinel.masterName', 'REDIS_SENTINEL_MASTER_NAME'],
  ['memory.maxMB', 'MEMORY_MAX_MB'],
  ['sessionEncryptionKey', 'SESSION_ENCRYPTION_KEY'],
]
for (const [path, variable] of names) {
  test(`${path} falls back to ${variable}`, () => assert.equal(environmentName(path.split('.')), variable))
}

test('no two options share a variable, and none takes the _FILE name of a secret', () => {
  const looked = allOptions.filter(({ info }) => info.ignored === undefined)
  const variables = looked.flatMap(({ path, info }) => {
    const name = environmentName(path)
    return info.secret === true ? [name, `${name}_FILE`] : [name]
  })
  assert.equal(new Set(variables).size, variables.length)
})

test('the environment alone is a configuration', () => {
  const { config, warnings } = load({})
  assert.equal(config.provider.providerURL, 'https://id.example.com')
  assert.equal(config.redis.mode, 'memory')
  assert.deepEqual(warnings, [])
})

test('the variables of the Redis options configure Redis by the types of their options', () => {
  const { config } = load({
    env: {
      REDIS_ENABLED: 'true',
      REDIS_ADDRESS: 'redis:6379',
      REDIS_PASSWORD: 'pw-from-env',
      REDIS_DB: '3',
      REDIS_KEY_PREFIX: 'x:',
      REDIS_CACHE_MODE: 'hybrid',
      REDIS_POOL_SIZE: '20',
      REDIS_CONNECT_TIMEOUT: '7',
      REDIS_READ_TIMEOUT: '1500ms',
      REDIS_ENABLE_TLS: 'false',
    },
  })
  const { redis } = config
  assert.deepEqual(redis.address, { host: 'redis', port: 6_379 })
  assert.equal(redis.password?.(), 'pw-from-env')
  assert.deepEqual(
    [redis.db, redis.keyPrefix, redis.mode, redis.poolSize, redis.connectTimeoutMs, redis.readTimeoutMs, redis.tls],
    [3, 'x:', 'hybrid', 20, 7_000, 1_500, undefined],
  )
})

test('the file wins over the environment, option by option', () => {
  const { config } = load({ text: 'redis: { db: 2 }', env: { REDIS_DB: '5', REDIS_POOL_SIZE: '9' } })
  assert.equal(config.redis.db, 2)
  assert.equal(config.redis.poolSize, 9)
})

test('an empty variable and an empty text in the file count as absent', () => {
  const { config } = load({
    text: 'cookieDomain: ""\nlogoutURL: ${NOTHING:-}\naudience:',
    env: { REDIS_DB: '', AUDIENCE: 'api' },
  })
  assert.deepEqual(
    [config.cookies.domain, config.paths.logout, config.redis.db, config.provider.audience],
    [undefined, '/oauth2/logout', 0, 'api'],
  )
})

test('lists and maps from the environment are comma separated or flow syntax', () => {
  const { config } = load({
    env: {
      TRUSTED_PROXIES: '10.0.0.1, 10.0.0.2',
      EXCLUDED_URLS: '["/public", "/health"]',
      EXTRA_AUTH_PARAMS: '{prompt: login, max_age: 60}',
      RULES: '[{"path": "/x", "policy": "deny"}]',
      SCOPES: 'openid groups',
      RATE_LIMIT: '42',
    },
  })
  assert.deepEqual(config.server.trustedProxies, ['10.0.0.1', '10.0.0.2'])
  assert.deepEqual(config.access.excludedURLs, ['/public', '/health'])
  assert.deepEqual(config.provider.extraAuthParams, { prompt: 'login', max_age: '60' })
  assert.equal(config.access.rules[0]?.policy, 'deny')
  assert.deepEqual(config.provider.scopes, ['openid', 'profile', 'email', 'groups'])
  assert.equal(config.rateLimits.loginsPerMinute, 42)
})

test('a problem with a variable names the variable and the option', () => {
  assert.deepEqual(problemsOf({ env: { REDIS_DB: '99' } }), [
    'environment:REDIS_DB: redis.db: must be a whole number from 0 to 15; if the server has more databases, say how many in redis.databases',
  ])
  assert.deepEqual(problemsOf({ env: { RATE_LIMIT: 'x' } }), [
    'environment:RATE_LIMIT: rateLimit.loginsPerMinute: must be a whole number from 1 to 1000000',
  ])
  assert.match(problemsOf({ env: { CLIENT_ID: '' } })[0] ?? '', /^environment:CLIENT_ID: clientID: is missing/)
})

const texts: [written: string, result: string][] = [
  ['plain', 'plain'],
  ['${A}', 'one'],
  ['x-${A}-${B}-y', 'x-one-${A}-y'],
  ['${UNSET:-default}', 'default'],
  ['${EMPTY:-default}', 'default'],
  ['${EMPTY}', ''],
  ['${UNSET:-}', ''],
  ['${UNSET:-a:-b}', 'a:-b'],
  ['$${A}', '${A}'],
  ['$A $ {A} {{.Claims.a}}', '$A $ {A} {{.Claims.a}}'],
]
for (const [written, result] of texts) {
  test(`the text ${written} becomes ${result}`, () => {
    assert.deepEqual(interpolate(written, { A: 'one', B: '${A}', EMPTY: '' }), { text: result })
  })
}

for (const written of ['${UNSET}', '${}', '${A', '${1A}', '${A B}', '${A-b}', '${__proto__}']) {
  test(`the text ${written} is a problem, not a silent gap`, () => {
    assert.ok('problem' in interpolate(written, Object.assign(Object.create(null), { A: 'one' })))
  })
}

test('an unset variable is one problem, by name and line, and does not make its option missing as well', () => {
  const problems = problemsOf({ text: 'listen: :4180\nclientID: ${NO_SUCH}' })
  assert.equal(problems.length, 1)
  assert.match(problems[0] ?? '', /^c\.yaml:2: clientID: refers to the environment variable NO_SUCH, which is not set/)
})

for (const [text, advice] of [
  [
    'clientSecret: ${NO_SUCH}',
    /clientSecret: .*NO_SUCH, which is not set; set it, or .* set CLIENT_SECRET_FILE to the file/,
  ],
  ['redis: { password: "${NO_SUCH}" }', /set REDIS_PASSWORD_FILE to the file/],
  ['sessionEncryptionKey: [ "${NO_SUCH}" ]', /set SESSION_ENCRYPTION_KEY_FILE to the file/],
  ['clientID: ${NO_SUCH}', /write \$\{NO_SUCH:-default\}/],
] as const) {
  test(`an unset variable of ${text}: no default is advised for a secret`, () => {
    const problems = problemsOf({ text }).filter((problem) => problem.includes('NO_SUCH'))
    assert.match(problems.join(), advice)
    assert.equal(problems.join().includes(':-default'), text.startsWith('clientID'))
  })
}

test('proxies are read under the names that other programs have for them, in lower case, too (C14)', () => {
  const proxiesFrom = (env: Record<string, string>) => load({ env }).config.provider.proxies
  const none = { http: undefined, https: undefined, except: [] }
  assert.deepEqual(proxiesFrom({}), none)
  assert.deepEqual(
    proxiesFrom({ https_proxy: 'proxy:3128', NO_PROXY: 'localhost, .svc 10.1.2.3', HTTP_PROXY: 'http://u:p@proxy:1' }),
    { https: 'http://proxy:3128/', http: 'http://u:p@proxy:1/', except: ['localhost', '.svc', '10.1.2.3'] },
  )
  assert.equal(proxiesFrom({ HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:1' }).https, 'http://upper:1/')
  assert.equal(proxiesFrom({ HTTPS_PROXY: '', https_proxy: 'http://lower:1' }).https, 'http://lower:1/')
})

test('only those names count in lower case: `listen` is nobody’s option (C14)', () => {
  assert.equal(load({ env: { provider_timeout: '9s' } }).config.provider.providerTimeoutMs, 5_000)
})

test('a problem with a proxy names the variable and shows no password (C14)', () => {
  const problems = problemsOf({ env: { https_proxy: 'socks5://user:hunter2@proxy:1' } })
  assert.match(problems[0] ?? '', /https_proxy/)
  assert.doesNotMatch(problems.join(), /hunter2/)
})
