// Who may come in: a limit of another program holds here, or the door stays shut until somebody has decided.
import assert from 'node:assert/strict'
import test from 'node:test'
import { migrate } from '../../src/migrate/migrate.ts'
import type { Migration } from '../../src/migrate/finish.ts'
import { isSettled } from '../../src/migrate/report.ts'
import { loaded, policyOf, rulesOf } from './decide.ts'
import type { Config } from '../../src/config/config.ts'

const BASE = 'provider = "oidc"\noidc_issuer_url = "https://id.example.com"\nclient_id = "app"\n'
const oauth2Proxy = (...lines: string[]) => migrate('oauth2-proxy', [{ name: 'a.cfg', text: BASE + lines.join('\n') }])

/** Whether a person with these claims is let in at `/x`. */
function letsIn(migration: Migration, claims: Record<string, unknown>): boolean {
  const rules = rulesOf(migration)
  const request = {
    method: 'GET',
    scheme: 'https',
    host: 'app.example.com',
    rawPath: '/x',
    rawQuery: '',
    path: '/x',
    ambiguity: undefined,
  } as const
  const policy = rules.policyFor(request)
  if (policy.kind !== 'login') return policy.kind === 'public'
  const identity = { subject: 's', issuer: 'https://id.example.com', claims: { sub: 's', ...claims } }
  return policy.requirements.every((number) => rules.meets(number, identity).ok)
}

const ann = { email: 'ann@example.com', groups: ['ops'] }
const eve = { email: 'eve@evil.example', groups: ['visitors'] }

const held: readonly (readonly [written: string, may: Record<string, unknown>, mayNot: Record<string, unknown>])[] = [
  ['email_domains = "example.com"', ann, eve],
  [
    'email_domains = ["example.com", "example.org"]',
    { email: 'a@example.org' },
    { email: 'a@example.org.evil.example' },
  ],
  ['email_domains = "*"\nallowed_groups = ["ops"]', ann, eve],
  ['email_domains = "*"\nallowed_groups = "ops,dev"', { ...ann, groups: ['dev'] }, eve],
  [
    'email_domains = "*"\nallowed_groups = ["CN=ops,OU=x,DC=example"]',
    { ...ann, groups: ['CN=ops,OU=x,DC=example'] },
    eve,
  ],
  // A role of the name of a group is no group.
  ['email_domains = "*"\nallowed_groups = ["ops"]', ann, { ...eve, roles: ['ops'] }],
  [
    'email_domains = "*"\nallowed_roles = ["admin"]',
    { email: 'a@b.example', realm_access: { roles: ['admin'] } },
    { ...eve, groups: ['admin'] },
  ],
  [
    'email_domains = "*"\nallowed_roles = ["app:admin"]',
    { email: 'a@b.example', resource_access: { app: { roles: ['admin'] } } },
    { email: 'a@b.example', realm_access: { roles: ['admin'] } },
  ],
  ['email_domains = "example.com"\nallowed_groups = ["ops"]', ann, { ...ann, groups: [] }],
  ['email_domains = "*"\nentra_id_allowed_tenants = ["t-1"]', { ...ann, tid: 't-1' }, { ...ann, tid: 't-2' }],
  [
    'email_domains = "*"\nentra_id_allowed_tenants = ["t-1"]\nallowed_roles = ["admin"]',
    { ...ann, tid: 't-1', realm_access: { roles: ['admin'] } },
    { ...ann, tid: 't-1' },
  ],
]
for (const [written, may, mayNot] of held) {
  test(`${written.replaceAll('\n', ', ')} lets in as it did`, () => {
    const migration = oauth2Proxy(written)
    assert.equal(letsIn(migration, may), true)
    assert.equal(letsIn(migration, mayNot), false)
  })
}

/** Each kept people out, and cannot be said here (or nobody knows whether it was there). */
const shut: readonly string[] = [
  '',
  'email_domains = ""',
  'email_domains = [ ".example.com" ]',
  'email_domains = [ "*.example.com" ]',
  'email_domains = [ "\\"*\\"" ]',
  'email_domains = "example.com"\noidc_email_claim = "upn"',
  'email_domains = "*"\nallowed_groups = ["{{ .Values.group }}"]',
  'email_domains = "*"\ngithub_org = "acme"',
  'email_domains = "*"\ngithub_users = ["ann"]',
  'email_domains = "*"\ngoogle_groups = ["ops@example.com"]',
  'email_domains = "*"\ngitlab_projects = ["a/b"]',
  'email_domains = "*"\nbitbucket_team = "acme"',
  'email_domains = "*"\nallowed_roles = ["admin", "app:admin"]',
  'email_domains = "*"\nallowed_roles = ["a.b:admin"]',
]
for (const written of shut) {
  test(`${JSON.stringify(written)} leaves the door shut, and asks for a decision`, () => {
    const migration = oauth2Proxy(written)
    assert.equal(letsIn(migration, ann), false)
    assert.equal(isSettled(migration.report), false)
    assert.match(migration.config, /# Nobody gets in before this is decided/)
  })
}

test('what was public stays public while the door is shut', () => {
  const migration = oauth2Proxy('skip_auth_routes = [ "^/public(/|$)" ]')
  assert.equal(policyOf(rulesOf(migration), '/public'), 'public')
  assert.equal(policyOf(rulesOf(migration), '/x'), 'deny')
})

test('an unknown option is named with the nearest, and its value is not', () => {
  const { report, config } = oauth2Proxy('email_domains = "*"', 'client_secrt = "hidden-value-77"')
  const item = report.items.find(({ option }) => option === 'client_secrt')
  assert.deepEqual([item?.outcome, item?.place], ['decide', 'a.cfg:5'])
  assert.match(item?.note ?? '', /client_secret/)
  assert.ok(!`${config}${JSON.stringify(report)}`.includes('hidden-value-77'))
})

test('flags count before variables, and variables before a file; the others are said', () => {
  const { config, report } = migrate('oauth2-proxy', [
    { name: 'a.cfg', text: `${BASE}email_domains = "file.example"` },
    { name: 'a.env', text: 'OAUTH2_PROXY_EMAIL_DOMAINS=env.example' },
    {
      name: 'b.yaml',
      text: 'services:\n  p:\n    image: oauth2-proxy/oauth2-proxy\n    command: [--email-domain=flag.example]\n    environment: { OAUTH2_PROXY_COOKIE_NAME: a }\n',
    },
  ])
  assert.match(config, /allowedUserDomains: \[flag\.example\]/)
  assert.deepEqual(
    report.items
      .filter(({ outcome, option }) => outcome === 'dropped' && /email/i.test(option))
      .map(({ place }) => place),
    ['a.cfg:4', 'a.env:1'],
  )
})

test('what is given twice, or has a tag, could be the limit: the file is not read', () => {
  for (const [text, message] of [
    [
      'email_domains: example.com\nprovider: oidc\nclient_id: a\nemail_domains: "*"\n',
      /x:4: email_domains: is given twice/,
    ],
    ['email_domains: "*"\nprovider: oidc\nallowed_groups: !secret groups\n', /x:3: /],
  ] as const) {
    assert.throws(() => migrate('oauth2-proxy', [{ name: 'x', text }]), message)
  }
})

test('an address with a password in it is left out, and not repeated', () => {
  const { config, report } = oauth2Proxy('email_domains = "*"', 'upstreams = "http://user:pass-word-9@app:80/"')
  assert.ok(!`${config}${JSON.stringify(report)}`.includes('pass-word-9'))
  assert.ok(report.items.some(({ option, outcome }) => option === 'upstreams' && outcome === 'decide'))
})

test('a name that ends its line writes no option', () => {
  const text = `{"kind":"Ingress","metadata":{"annotations":{"nginx.ingress.kubernetes.io/auth-url":"https://a.example.com/oauth2/auth","nginx.ingress.kubernetes.io/auth-x\\rallowInsecureProvider: true":"x"}}}`
  const { config } = migrate('ingress-nginx', [{ name: 'i.json', text }])
  assert.doesNotMatch(config, /allowInsecureProvider/)
})

test('dollars of a secret are those of the program that it is for', () => {
  const keep = (name: string, text: string) => migrate('oauth2-proxy', [{ name, text }], { keepSecrets: true }).config
  assert.match(keep('a.cfg', `${BASE}client_secret = "a$$b$WORDc9-secret"`), /^clientSecret: "a\$\$b\$WORDc9-secret"$/m)
  const compose = (value: string) =>
    `services:\n  p:\n    image: oauth2-proxy\n    environment:\n      OAUTH2_PROXY_CLIENT_SECRET: ${value}\n`
  assert.match(keep('a.yaml', compose('"a$$b9-secret-of-compose"')), /^clientSecret: "a\$b9-secret-of-compose"$/m)
  assert.match(keep('a.yaml', compose('"$${literal-9-secret}"')), /^clientSecret: "\$\$\{literal-9-secret\}"$/m)
})

test('another container’s flags and variables are nobody’s options', () => {
  const { config, report } = migrate('oauth2-proxy', [
    {
      name: 'c.yaml',
      text: 'services:\n  other:\n    image: grafana\n    command: [--email-domain=evil.example]\n    environment: [CLIENT_SECRET=x]\n  p:\n    image: oauth2-proxy/oauth2-proxy\n    command: --provider=oidc --oidc-issuer-url=https://id.example.com --client-id=a --email-domain example.com\n',
    },
  ])
  assert.match(config, /allowedUserDomains: \[example\.com\]/)
  assert.ok(!report.items.some(({ place }) => place === 'c.yaml:4'))
})

test('a value that ends its line, or holds a reference, stays a value', () => {
  const values = [
    'a: b',
    '# x',
    "it's",
    '"',
    '${HOME',
    '- a',
    '[a]',
    'no',
    '1e3',
    '0x10',
    '2026-01-01',
    '~',
    '*a',
    '&a',
    '!t',
    '%p',
    'é',
    'y\u2028x',
  ]
  for (const value of values) {
    const migration = oauth2Proxy('email_domains = "*"', `allowed_groups = [ ${JSON.stringify(value)} ]`)
    const config: Config = loaded(migration)
    assert.deepEqual(config.access.allowedRolesAndGroups, [value], value)
  }
})

const oidcAuth = (yaml: string) =>
  migrate('traefik-oidc-auth', [
    { name: 'a.yaml', text: `Provider: { Url: https://id.example.com, ClientId: app }\n${yaml}\n` },
  ])

const assertions: readonly (readonly [
  yaml: string,
  may: Record<string, unknown> | undefined,
  mayNot: Record<string, unknown>,
])[] = [
  ['{ Name: groups, AnyOf: [ops, dev] }', ann, eve],
  ['{ Name: groups, AllOf: [ops] }', ann, eve],
  [
    '{ Name: realm_access.roles, AnyOf: [admin] }',
    { realm_access: { roles: ['admin'] } },
    { realm_access: { roles: ['user'] } },
  ],
  ['{ Name: groups, AllOf: [ops, dev] }', undefined, ann],
  ['{ Name: groups, AllOf: [ops], AnyOf: [dev] }', undefined, ann],
  ['{ Name: groups }', undefined, ann],
  ['{ Name: "store.book[*].price", AnyOf: ["1"] }', undefined, ann],
  ['{ Name: "$..groups", AnyOf: [ops] }', undefined, ann],
  ['{ AnyOf: [ops] }', undefined, ann],
  ['groups', undefined, ann],
]
for (const [yaml, may, mayNot] of assertions) {
  test(`AssertClaims ${yaml} ${may === undefined ? 'leaves the door shut' : 'lets in as it did'}`, () => {
    const migration = oidcAuth(`Authorization: { AssertClaims: [ ${yaml} ] }`)
    if (may !== undefined) assert.equal(letsIn(migration, may), true)
    assert.equal(letsIn(migration, mayNot), false)
  })
}

test('all assertions must hold', () => {
  const migration = oidcAuth(
    'Authorization: { AssertClaims: [ { Name: groups, AnyOf: [ops] }, { Name: dept, AnyOf: [it] } ] }',
  )
  assert.equal(letsIn(migration, { ...ann, dept: 'it' }), true)
  assert.equal(letsIn(migration, ann), false)
})

test('UnauthenticatedBehavior: Forward opens nothing', () => {
  const migration = oidcAuth('UnauthenticatedBehavior: Forward')
  assert.equal(policyOf(rulesOf(migration), '/x'), 'login')
  assert.equal(isSettled(migration.report), false)
})

const forwardAuth = (text: string) =>
  migrate('traefik-forward-auth', [{ name: 'a.ini', text: `providers.google.client-id = app\n${text}\n` }])

const people: readonly (readonly [ini: string, may: readonly string[], mayNot: readonly string[]])[] = [
  ['domain = example.com', ['a@example.com'], ['a@example.org']],
  ['whitelist = a@example.com', ['a@example.com'], ['b@example.com']],
  // Both: only the whitelist counts in thomseddon's.
  ['whitelist = a@example.org\ndomain = example.com', ['a@example.org'], ['b@example.com']],
  [
    'whitelist = a@example.org\ndomain = example.com\nmatch-whitelist-or-domain = true',
    ['a@example.org', 'b@example.com'],
    ['c@evil.example'],
  ],
]
for (const [ini, may, mayNot] of people) {
  test(`${ini.replaceAll('\n', ', ')} lets in as it did`, () => {
    const migration = forwardAuth(ini)
    for (const email of may) assert.equal(letsIn(migration, { email }), true, email)
    for (const email of mayNot) assert.equal(letsIn(migration, { email }), false, email)
  })
}

test('an empty whitelist lets in nobody before somebody has decided', () => {
  assert.equal(letsIn(forwardAuth('whitelist ='), { email: 'a@example.com' }), false)
})

test('while the door is shut, a rule for some paths lets in nobody either', () => {
  const rule = 'rule.a.rule = PathPrefix(`/x`)\nrule.a.whitelist = ann@example.com'
  assert.equal(letsIn(forwardAuth(rule), ann), true)
  assert.equal(letsIn(forwardAuth(`${rule}\nwhitelist =`), ann), false)
})

test('the RBAC of Kubernetes, which nothing here asks, leaves the door shut', () => {
  assert.equal(
    letsIn(
      migrate('traefik-forward-auth', [
        {
          name: 'a.env',
          text: 'PROVIDER_URI=https://id.example.com\nCLIENT_ID=a\nCLIENT_SECRET=b\nENABLE_RBAC=true\n',
        },
      ]),
      ann,
    ),
    false,
  )
})

test('annotations alone let in nobody', () => {
  const text =
    'kind: Ingress\nmetadata:\n  annotations:\n    nginx.ingress.kubernetes.io/auth-url: https://$host/oauth2/auth\n'
  assert.equal(letsIn(migrate('ingress-nginx', [{ name: 'i.yaml', text }]), ann), false)
})

test('a secret deep within a group of the plugin’s options is a secret', () => {
  const text =
    'providerURL: https://id.example.com\nclientID: a\ncallbackURL: /cb\nclientAuthMethod: private_key_jwt\nclientAssertionPrivateKey: |\n  -----BEGIN PRIVATE KEY-----\n  deep-key-1\nredis: { enabled: true, sentinel: { masterName: m, addresses: [s:26379], password: deep-secret-2 } }\n'
  const { config, report } = migrate('traefikoidc', [{ name: 'a.yaml', text }])
  assert.ok(!`${config}${JSON.stringify(report)}`.includes('deep-'))
  assert.deepEqual(report.problems, [])
  assert.match(config, /password: \$\{REDIS_SENTINEL_PASSWORD\}/)
})
