// What is known of providers, as data.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { presetNames, presets } from '../../src/config/presets.ts'
import { quirksOf } from '../../src/oidc/quirks.ts'
import { load, problemsOf, SECRET } from './load-fixture.ts'

const noURL = { PROVIDER_URL: undefined }
/** An issuer of each that has no one of its own. */
const issuers: Readonly<Record<string, string>> = {
  entra: 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
  keycloak: 'https://id.example.com/realms/one',
  auth0: 'https://tenant.eu.auth0.com/',
  okta: 'https://example.okta.com',
  cognito: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI',
  zitadel: 'https://one.zitadel.cloud',
}

for (const preset of presetNames) {
  describe(preset, () => {
    const url = issuers[preset]
    const line = url === undefined ? '' : `providerURL: ${url}\n`

    test('is fine with what it does not know: client and, where there are many, issuer', () => {
      const { config, warnings } = load({ text: `preset: ${preset}\n${line}`, env: noURL })
      assert.deepEqual(warnings, [])
      const [{ title, client, lists }] = config.providers
      assert.equal(title, presets[preset].title)
      assert.equal(client.providerURL, url ?? config.provider.providerURL)
      assert.deepEqual(lists, load({}).config.providers[0].lists)
    })

    test('is the same by name', () => {
      const { config } = load({
        text: `providers:\n  one:\n    preset: ${preset}\n    ${line.trim()}\n    clientID: c\n    clientSecret: ${SECRET}`,
        env: { ...noURL, CLIENT_ID: undefined, CLIENT_SECRET: undefined },
      })
      const atTop = load({ text: `preset: ${preset}\n${line}`, env: noURL }).config
      const [{ client, title }] = config.providers
      assert.deepEqual(
        [client.scopes, client.claimsFrom, client.providerURL, client.graphURL, title],
        [
          atTop.provider.scopes,
          atTop.provider.claimsFrom,
          atTop.provider.providerURL,
          atTop.provider.graphURL,
          presets[preset].title,
        ],
      )
    })

    test('gives way to what is written', () => {
      const text = `preset: ${preset}
providerURL: https://id.example.com
scopes: [openid]
overrideScopes: true
groupClaimName: g
roleClaimName: r
userIdentifierClaim: u
claimsFrom: [idToken]`
      const { access, provider } = load({ text }).config
      assert.deepEqual(
        [
          provider.providerURL,
          provider.scopes,
          provider.claimsFrom,
          access.groupClaimName,
          access.roleClaimName,
          access.userIdentifierClaim,
        ],
        ['https://id.example.com', ['openid'], ['idToken'], 'g', 'r', 'u'],
      )
    })
  })
}

test('what a preset cannot know is asked for, with how it looks', () => {
  assert.match(
    problemsOf({ text: 'preset: okta', env: noURL }).join(),
    /providerURL: is missing.*https:\/\/ORGANISATION\.okta\.com/,
  )
  assert.match(problemsOf({ text: 'preset: oktaa' }).join(), /preset: must be one of google, entra/)
})

test('the claims of a preset by name are known by the names at the top', () => {
  const { config } = load({
    text: `providers:
  aws: { preset: cognito, providerURL: ${issuers['cognito']}, clientID: c, clientSecret: ${SECRET} }
  kc: { preset: keycloak, providerURL: ${issuers['keycloak']}, clientID: c, clientSecret: ${SECRET} }`,
  })
  const [, aws, keycloak] = config.providers
  assert.deepEqual(aws?.claimNames, { groups: 'cognito:groups' })
  assert.deepEqual(keycloak?.claimNames, { roles: 'realm_access.roles' })
})

const quirks: [issuer: string, quirks: string[]][] = [
  ['https://accounts.google.com', ['offlineByParameter', 'revocationEndsConsent']],
  [issuers['cognito'] ?? '', ['logoutByURI']],
  ['https://accounts.google.com.evil.example', []],
  ['https://evil.example/https://cognito-idp.eu-central-1.amazonaws.com/x', []],
  ['https://id.example.com', []],
]
for (const [issuer, expected] of quirks) {
  test(`${issuer} has ${expected.length === 0 ? 'no quirks' : expected.join(' and ')}`, () => {
    const found = Object.entries(quirksOf(issuer)).flatMap(([name, has]) => (has ? [name] : []))
    assert.deepEqual(found, expected)
  })
}
