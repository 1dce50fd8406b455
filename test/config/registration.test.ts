// What a registration asks for is made of the other options, and what cannot be made of them is refused.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { load, problemsOf, type Given } from './load-fixture.ts'

const redis = 'redis: { enabled: true, address: "127.0.0.1:6379" }\n'
const given = (text: string, files = {}): Given => ({
  text: `dynamicClientRegistration: { enabled: true }\n${redis}${text}`,
  env: { CLIENT_ID: undefined, CLIENT_SECRET: undefined },
  files,
})
const askedFor = (text: string, files = {}) => load(given(text, files)).config.provider.registration?.metadata ?? {}

test('a client asks for the redirect URI of publicURL, for what the login needs, and nothing else', () => {
  const { config, warnings } = load(
    given('publicURL: https://auth.example.com\ncookieDomain: example.com\nscopes: [offline_access]'),
  )
  assert.deepEqual(warnings, [])
  assert.deepEqual(config.provider.registration?.metadata, {
    client_name: 'Foregate',
    application_type: 'web',
    redirect_uris: ['https://auth.example.com/oauth2/callback'],
    post_logout_redirect_uris: ['https://auth.example.com/', 'https://auth.example.com/oauth2/start'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid profile email offline_access',
    token_endpoint_auth_method: 'client_secret_basic',
  })
})

test('without publicURL it is each host that is named in full', () => {
  const rules =
    'rules: [{ host: a.example.com }, { host: "*.example.org" }, { host: a.example.com, path: /x }, { path: /y }]'
  assert.deepEqual(askedFor(`${rules}\npathPrefix: /sso`)['redirect_uris'], ['https://a.example.com/sso/callback'])
})

test('what the operator asks for beside it is asked for', () => {
  const own =
    'dynamicClientRegistration: { enabled: true, clientMetadata: { client_name: Mine, redirect_uris: ["https://b.example/cb"] } }'
  const { config } = load({ ...given(''), text: redis + own })
  const { client_name: name, redirect_uris: uris } = config.provider.registration?.metadata ?? {}
  assert.deepEqual([name, uris], ['Mine', ['https://b.example/cb']])
})

test('of a key that signs assertions the public half is registered', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const files = { '/key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
  const options = 'clientAuthMethod: private_key_jwt\nclientAssertionPrivateKeyPath: /key\nclientAssertionAlg: ES256'
  const asked = askedFor(`publicURL: https://auth.example.com\n${options}`, files)
  const { d, x } = privateKey.export({ format: 'jwk' })
  assert.ok(JSON.stringify(asked).includes(x ?? '?'))
  assert.equal(JSON.stringify(asked).includes(d ?? '?'), false)
})

const wrong: [text: string, problem: RegExp][] = [
  ['', /clientMetadata: leaves open which redirect URIs to register; set publicURL/],
  ['rules: [{ host: "*.example.com" }]', /leaves open which redirect URIs/],
  ['publicURL: https://a.example\nclientID: app', /clientID: is what the registration brings/],
  [
    'publicURL: https://a.example\nclientSecret: bK3-very-secret-client-credential',
    /clientSecret: is what the registration brings/,
  ],
]
for (const [text, problem] of wrong) {
  test(`a registration is refused: ${text || 'without any host'}`, () => {
    const problems = problemsOf(given(text))
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

for (const [inner, problem] of [
  ['clientMetadata: { token_endpoint_auth_method: none }', /token_endpoint_auth_method: is what clientAuthMethod says/],
  ['clientMetadata: { redirect_uris: [callback] }', /leaves open which redirect URIs/],
  ['registrationEndpoint: "http://id.example.com/register"', /registrationEndpoint: must be https/],
] as const) {
  test(`a registration is refused: ${inner}`, () => {
    const text = `publicURL: https://a.example\n${redis}dynamicClientRegistration: { enabled: true, ${inner} }`
    const problems = problemsOf({ ...given(''), text })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test('what platforms leave in the environment is no contradiction', () => {
  const text = 'publicURL: https://a.example.com\ncookieDomain: example.com'
  const { config, warnings } = load({ ...given(text), env: {} })
  assert.deepEqual([config.provider.clientID, config.provider.clientSecret], ['', undefined])
  assert.equal(warnings.filter((line) => line.includes('is not used: the registration brings it')).length, 2)
})

test('the plugin’s storage, and none at all, are warned of', () => {
  const text = 'publicURL: https://a.example\ndynamicClientRegistration: { enabled: true, storageBackend: file }'
  const { warnings } = load({ ...given(''), text })
  assert.match(warnings.join('\n'), /storageBackend: does nothing here: the client is kept where replicas share it/)
  assert.match(warnings.join('\n'), /enabled: without Redis each start registers another client/)
})
