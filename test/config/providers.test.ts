// Several providers by name: what each has of its own, and what of the top of the configuration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deploymentScope } from '../../src/deployment.ts'
import { load, problemsOf, SECRET } from './load-fixture.ts'

const google = `
  google:
    providerURL: https://accounts.google.com
    clientID: g
    clientSecret: ${SECRET}`
const partner = `
  partner:
    providerURL: https://id.partner.example/realms/one
    clientID: p
    clientSecret: ${SECRET}`
/** Nothing of a provider at the top. */
const noTop = { PROVIDER_URL: undefined, CLIENT_ID: undefined, CLIENT_SECRET: undefined }

const configOf = (text: string, env: Record<string, string | undefined> = {}) => load({ text, env }).config
const entry = (text: string, name: string, env?: Record<string, string | undefined>) => {
  const found = configOf(text, env).providers.find((one) => one.name === name)
  assert.ok(found)
  return found
}

test('without providers there is the one at the top, called default', () => {
  const { providers, provider } = configOf('')
  assert.deepEqual(
    providers.map(({ name, id, client }) => [name, id, client === provider]),
    [['default', undefined, true]],
  )
})

test('they come beside the one at the top, or in its place', () => {
  assert.deepEqual(
    configOf(`providers:${google}${partner}`).providers.map(({ name }) => name),
    ['default', 'google', 'partner'],
  )
  const { providers, provider } = configOf(`providers:${google}${partner}`, noTop)
  assert.deepEqual(
    [providers.map(({ name }) => name), provider.providerURL],
    [['google', 'partner'], 'https://accounts.google.com'],
  )
})

test('each has its own client, redirect URI and secrets, also from files', () => {
  const { config } = load({
    text: `providers:${google.replace(SECRET, 'file:/run/secret')}\n    scopes: [calendar]`,
    files: { '/run/secret': 'from-the-file-8Qw-zt5-and-long' },
  })
  const [top, named] = config.providers
  assert.equal(named?.client.clientSecret, 'from-the-file-8Qw-zt5-and-long')
  assert.deepEqual(named?.client.scopes, ['openid', 'profile', 'email', 'calendar'])
  assert.deepEqual(top.client.scopes, ['openid', 'profile', 'email'])
})

test('people and claims are as at the top where one says nothing, and its own where it does', () => {
  const text = `
allowedUserDomains: [example.com]
allowedRolesAndGroups: [staff]
groupClaimName: teams
providers:${google}${partner}
    allowedUserDomains: [partner.example]
    requireVerifiedEmail: true
    groupClaimName: realm_access.roles
    roleClaimName: roles`
  const own = entry(text, 'partner')
  assert.deepEqual(own.lists, {
    allowedUsers: [],
    allowedUserDomains: ['partner.example'],
    allowedRolesAndGroups: ['staff'],
    requireVerifiedEmail: true,
  })
  assert.deepEqual(own.claimNames, { teams: 'realm_access.roles' })
  assert.deepEqual(entry(text, 'google').lists.allowedUserDomains, ['example.com'])
  assert.deepEqual(entry(text, 'google').claimNames, {})
})

test('sessions are bound to provider and client, whatever they are called', () => {
  const id = entry(`providers:${google}`, 'google').id
  assert.match(id ?? '', /^[\w-]{16}$/)
  assert.equal(entry(`providers:${google.replace('google:', 'other:')}`, 'other').id, id)
  assert.notEqual(entry(`providers:${google.replace('clientID: g', 'clientID: h')}`, 'google').id, id)
})

test('one more or one less is no reason to log in again', () => {
  assert.equal(deploymentScope(configOf(`providers:${google}`)), deploymentScope(configOf('')))
  assert.equal(
    deploymentScope(configOf(`providers:${google}`, noTop)),
    deploymentScope(configOf(`providers:${partner}${google}`, noTop)),
  )
})

const refused: [name: string, text: string, problem: RegExp, env?: Record<string, string | undefined>][] = [
  [
    'a name that addresses cannot hold',
    `providers:${google.replace('google:', 'Google Inc:')}`,
    /:2: providers\.Google Inc: must be a name/,
  ],
  [
    'the name of the one at the top',
    `providers:${google.replace('google:', 'default:')}`,
    /providers\.default: is the name of the provider at the top/,
  ],
  [
    'no client',
    `providers:\n  google: { providerURL: https://accounts.google.com }`,
    /:2: providers\.google\.clientID: is missing/,
  ],
  [
    'no issuer',
    `providers:\n  google: { clientID: g, clientSecret: ${SECRET} }`,
    /providers\.google\.providerURL: is missing/,
  ],
  ['plain http', `providers:${google.replace('https:', 'http:')}`, /:3: providers\.google\.providerURL: must be https/],
  [
    'an option that is one for all',
    `providers:${google}\n    clockSkew: 5s`,
    /providers\.google\.clockSkew: is no known option/,
  ],
  ['a slip of the pen', `providers:${google}\n    scope: [a]`, /providers\.google\.scope: .*scopes/],
  [
    'one client twice',
    `providers:${google}${google.replace('google:', 'again:')}`,
    /providers\.again\.clientID: is the same client of the same provider as google/,
  ],
  [
    'the client of the top again',
    'providers:\n  again: { providerURL: https://id.example.com/, clientID: app, clientSecret: bK3-very-secret-client-credential }',
    /the same provider as default/,
  ],
  [
    'a list, as oauth2-proxy has it',
    `providers: [{ provider: oidc }]`,
    /providers: must be a mapping of names to values, such as/,
  ],
  [
    'a host that is none',
    `providers:${google}\n    hosts: ["https://a.example.com"]`,
    /providers\.google\.hosts\[0\]: must be a host name/,
  ],
  [
    'a rule for one that there is not',
    `providers:${google}\nrules: [{ require: { providers: [googel] } }]`,
    /rules\[0\]\.require\.providers\[0\]: is none of the configured providers \(default, google\)/,
  ],
  [
    'a logo that is none',
    `providers:${google}\n    logo: "javascript:alert(1)"`,
    /providers\.google\.logo: must be a data:image/,
  ],
  ['an example’s secret', `providers:${google.replace(SECRET, 'changeme')}`, /providers\.google\.clientSecret: /],
  [
    'audiences of nobody',
    `providers:${google}\nbearer: { enabled: true, audiences: [api] }`,
    /bearer\.audiences: is about a provider at the top/,
    noTop,
  ],
  ['tokens of nobody', `providers:${google}\nbearer: { enabled: true }`, /bearer\.enabled: lets nobody in/, noTop],
]
const microsoft = 'https://login.microsoftonline.com'
refused.push(
  [
    'people of every organisation at Microsoft, unsaid',
    `providers:${google.replace('https://accounts.google.com', `${microsoft}/common/v2.0`)}`,
    /providers\.google\.allowedTenants: is missing/,
  ],
  [
    'organisations of a provider that has one',
    `providers:${google}\n    allowedTenants: ["*"]`,
    /providers\.google\.allowedTenants: means nothing/,
  ],
  [
    'an organisation by its name',
    `providers:${google.replace('https://accounts.google.com', `${microsoft}/common/v2.0`)}\n    allowedTenants: [contoso]`,
    /providers\.google\.allowedTenants\[0\]: must be the id/,
  ],
)
for (const [name, text, problem, env] of refused) {
  test(`refused: ${name}`, () => {
    const problems = problemsOf({ text, ...(env && { env }) })
    assert.ok(
      problems.some((line) => problem.test(line)),
      problems.join('\n'),
    )
  })
}

test('lists of addresses that hold for several are warned of: an address counts whichever says it', () => {
  const { warnings } = load({ text: `allowedUsers: [a@example.com]\nproviders:${google}` })
  assert.ok(
    warnings.some((line) => /:1: allowedUsers: holds for default, google: an address counts whichever/.test(line)),
  )
  const own = load({ text: `allowedUsers: [a@example.com]\nproviders:${google}\n    allowedUsers: [b@example.com]` })
  assert.deepEqual(
    own.warnings.filter((line) => line.includes('allowedUsers')),
    [],
  )
})

test('organisations at Microsoft are named by their ids, and any of them is warned of', () => {
  const tenant = '9188040D-6c67-4c5b-b112-36a304b66dad'
  const named = load({
    text: `providers:${google.replace('https://accounts.google.com', `${microsoft}/organizations/v2.0`)}\n    allowedTenants: [${tenant}, "*"]`,
  })
  assert.deepEqual(named.config.providers[1]?.client.tenants, [tenant.toLowerCase(), '*'])
  assert.ok(named.warnings.some((line) => /allowedTenants: lets people of every organisation in/.test(line)))
})

test('a rule that asks who somebody is, and not who says so, is warned of where several could say it', () => {
  const rule = (require: string) => `rules: [{ path: /a, require: { ${require} } }]`
  const isWarned = (text: string) =>
    load({ text }).warnings.some((line) => /rules\[0\]\.require: counts whichever provider says it/.test(line))
  for (const require of ['groups: [a]', 'users: [a@example.com]', 'claims: { dept: it }']) {
    assert.equal(isWarned(`${rule(require)}\nproviders:${google}`), true, require)
    assert.equal(isWarned(`${rule(`${require}, providers: [default]`)}\nproviders:${google}`), false, require)
    assert.equal(isWarned(`${rule(require)}\nproviders:${google}\n    hosts: [g.example.com]`), false, require)
    assert.equal(isWarned(rule(require)), false, require)
  }
  assert.equal(isWarned(`${rule('maxAge: 5m')}\nproviders:${google}`), false)
})
