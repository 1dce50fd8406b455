// What people paste: the whole manifest, file or label list in which the options are a part.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { load, problemsOf } from './load-fixture.ts'

const block = (indent: number): string =>
  ['providerURL: https://issuer.example', 'clientID: pasted', 'callbackURL: /cb', 'sessionMaxAge: 3600']
    .map((line) => ' '.repeat(indent) + line)
    .join('\n')

const found: [what: string, text: string, note: RegExp][] = [
  [
    'a Kubernetes Middleware',
    `apiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: { name: oidc }\nspec:\n  plugin:\n    traefikoidc:\n${block(6)}`,
    /^c\.yaml:6: the options are those of spec\.plugin\.traefikoidc; what is around them is not read$/,
  ],
  [
    'a Middleware among other manifests',
    `---\napiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n---\napiVersion: v1\nkind: Secret\nstringData: { clientID: x, clientSecret: y }\n---\nkind: Middleware\nspec:\n  plugin:\n    oidc:\n${block(6)}\n---\nkind: IngressRoute\nspec: { routes: [{ match: "Host(\`a\`)" }] }\n`,
    /^c\.yaml:13: the options are those of spec\.plugin\.oidc/,
  ],
  [
    'a list of manifests',
    `kind: List\nitems:\n  - kind: Middleware\n    spec:\n      plugin:\n        traefikoidc:\n${block(10)}`,
    /items\[0\]\.spec\.plugin\.traefikoidc/,
  ],
  [
    "Traefik's dynamic file",
    `http:\n  routers:\n    app: { rule: "Host(\`a\`)", middlewares: [auth], service: app }\n  middlewares:\n    auth:\n      plugin:\n        my-plugin:\n${block(10)}`,
    /http\.middlewares\.auth\.plugin\.my-plugin/,
  ],
  ["the plugin's key", `traefikoidc:\n${block(2)}`, /those of traefikoidc;/],
  ['plugin and its key', `plugin:\n  traefikoidc:\n${block(4)}`, /those of plugin\.traefikoidc;/],
  [
    'a Helm values file',
    `middlewares:\n  oidc:\n    spec:\n      plugin:\n        traefikoidc:\n${block(10)}`,
    /middlewares\.oidc/,
  ],
  [
    'labels of a service',
    `services:\n  app:\n    image: x\n    environment: [A=b]\n    labels:\n      - traefik.enable=true\n      - "traefik.http.routers.app.rule=Host(\`a\`)"\n      - traefik.http.middlewares.oidc.plugin.traefikoidc.providerURL=https://issuer.example\n      - traefik.http.middlewares.oidc.plugin.traefikoidc.clientID=pasted\n      - traefik.http.middlewares.oidc.plugin.traefikoidc.callbackURL=/cb\n      - traefik.http.middlewares.oidc.plugin.traefikoidc.sessionMaxAge=3600\n`,
    /^c\.yaml:8: the options are those of the labels traefik\.http\.middlewares\.oidc/,
  ],
  [
    'labels as a mapping',
    `services:\n  app:\n    deploy:\n      labels:\n        traefik.http.middlewares.oidc.plugin.x.providerurl: https://issuer.example\n        traefik.http.middlewares.oidc.plugin.x.clientid: pasted\n        traefik.http.middlewares.oidc.plugin.x.callbackURL: /cb\n        traefik.http.middlewares.oidc.plugin.x.sessionMaxAge: 3600\n`,
    /labels traefik\.http\.middlewares\.oidc/,
  ],
  [
    'labels alone, one a line',
    `traefik.http.middlewares.oidc.plugin.x.providerURL=https://issuer.example\ntraefik.http.middlewares.oidc.plugin.x.clientID=pasted\n# a comment\ntraefik.http.middlewares.oidc.plugin.x.callbackURL=/cb\ntraefik.http.middlewares.oidc.plugin.x.sessionMaxAge=3600\n`,
    /labels traefik\.http\.middlewares\.oidc/,
  ],
]
for (const [what, text, note] of found) {
  test(`the options are found in ${what}, and that is said (D1)`, () => {
    const { config, warnings } = load({ text })
    assert.deepEqual(
      [config.provider.providerURL, config.provider.clientID, config.paths.callback, config.session.maxAgeMs],
      ['https://issuer.example', 'pasted', '/cb', 3_600_000],
    )
    assert.equal(warnings.filter((line) => note.test(line)).length, 1, warnings.join('\n'))
  })
}

test('one known name is enough where the file has nothing but its block (D1)', () => {
  assert.equal(load({ text: 'traefikoidc:\n  clientID: pasted\n' }).config.provider.clientID, 'pasted')
})

test('labels make lists and groups, and a doubled dollar sign is one (D1)', () => {
  const label = (rest: string) => `      - "traefik.http.middlewares.oidc.plugin.traefikoidc.${rest}"`
  const text = [
    'services:',
    '  app:',
    '    labels:',
    label('redis.enabled=true'),
    label('redis.address=redis:6379'),
    label('redis.password=a$$b${SUFFIX}'),
    label('headers[0].name=X-Email'),
    label('headers[0].value={{.Claims.email}}'),
    label('headers[1].name=X-Sub'),
    label('headers[1].value={{.Claims.sub}}'),
    label('scopes=roles,offline_access'),
    label('allowedUsers[0]=a@example.com'),
  ].join('\n')
  const { config } = load({ text, env: { SUFFIX: '-c' } })
  assert.equal(config.redis.password?.(), 'a$b-c')
  assert.deepEqual(config.redis.address, { host: 'redis', port: 6379 })
  assert.deepEqual(
    config.access.headers.map(({ name }) => name),
    ['X-Email', 'X-Sub'],
  )
  assert.ok(config.provider.scopes.includes('offline_access'))
  assert.deepEqual(config.access.allowedUsers, ['a@example.com'])
})

test('a problem in what was pasted has the line of the file and the name of the option (D1)', () => {
  const text = `kind: Middleware\nspec:\n  plugin:\n    traefikoidc:\n      providerURL: https://issuer.example\n      logLevel: loud\n      redis:\n        enabled: true\n        db: 99\n        address: redis:6379\n`
  assert.deepEqual(
    problemsOf({ text }).map((line) => line.split(': ').slice(0, 2)),
    [
      ['c.yaml:6', 'logLevel'],
      ['c.yaml:9', 'redis.db'],
    ],
  )
})

test('a variable that is not set matters only within the block (D1)', () => {
  const text = `services:\n  app:\n    image: \${IMAGE}\n    labels:\n      - traefik.http.middlewares.o.plugin.p.clientID=\${CLIENT}\n`
  assert.deepEqual(
    problemsOf({ text }).map((line) => line.split('; ')[0]),
    ['c.yaml:5: clientID: refers to the environment variable CLIENT, which is not set'],
  )
})

const refused: [what: string, text: string, problem: RegExp][] = [
  [
    'two blocks',
    `http:\n  middlewares:\n    a:\n      plugin:\n        p: { clientID: a }\n    b:\n      plugin:\n        p: { clientID: b }\n`,
    /^c\.yaml:8: holds 2 blocks of options \(lines 5, 8\).*keep one/,
  ],
  [
    'two documents with options',
    'clientID: a\n---\nclientID: b\n',
    /^c\.yaml:3: holds 2 blocks of options \(lines 1, 3\)/,
  ],
  [
    'labels of two middlewares',
    'labels:\n  - traefik.http.middlewares.a.plugin.p.clientID=a\n  - traefik.http.middlewares.b.plugin.p.clientID=b\n',
    /holds 2 blocks of options \(lines 2, 3\)/,
  ],
  [
    'options of our own and a Middleware in another document',
    'clientID: a\n---\nspec:\n  plugin:\n    traefikoidc:\n      clientID: b\n',
    /holds 2 blocks of options \(lines 1, 5\)/,
  ],
  ['a list', '- a\n- b', /must be a YAML mapping of options/],
]
for (const [what, text, problem] of refused) {
  test(`of ${what} nobody can know which was meant: refused (D1)`, () => {
    const problems = problemsOf({ text })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test("options of our own at the top are the file's, whatever else is there (D1)", () => {
  const problems = problemsOf({ text: 'clientID: a\nspec:\n  plugin:\n    traefikoidc:\n      clientID: b\n' })
  assert.deepEqual(problems.length, 1)
  assert.match(problems[0] ?? '', /^c\.yaml:2: spec: is no known option/)
})

test('names are taken in any letter case, in groups and lists, too (D2)', () => {
  const { config } = load({
    text: 'PROVIDERURL: https://issuer.example\nclientId: a\nForceHttps: true\nredis:\n  Enabled: true\n  ADDRESS: redis:6379\n  hybridL1MemoryMb: 20\nrules:\n  - Path: /a\n    Require: { Groups: [x], claims: { Dept: [it] } }\nHeaders:\n  - Name: X-A\n    Value: b\nextraAuthParams: { UI_locales: de }\n',
  })
  assert.equal(config.provider.clientID, 'a')
  assert.equal(config.redis.l1.maxBytes, 20 * 1_048_576)
  assert.deepEqual(config.access.rules[0]?.require?.groups, ['x'])
  assert.deepEqual(config.access.rules[0]?.require?.claims, { Dept: ['it'] })
  assert.deepEqual(config.access.headers, [{ name: 'X-A', template: 'b' }])
  assert.deepEqual(config.provider.extraAuthParams, { UI_locales: 'de' })
})

test('the same name in two spellings is given twice; a problem has the line of its own spelling (D2)', () => {
  assert.match(
    problemsOf({ text: 'clientID: a\nclientId: b' }).join('\n'),
    /^c\.yaml:\d: clientID: is given twice.*two spellings/,
  )
  assert.match(
    problemsOf({ text: 'a: 1\nRedis:\n  DB: 99' }).join('\n'),
    /^c\.yaml:3: redis\.db: must be a whole number/m,
  )
})

test('merge keys are followed: what stands there itself counts, of several the first (D7)', () => {
  const { config } = load({
    text: `x-common: &common\n  connectTimeout: 7\n  readTimeout: 8\nx-other: &other { readTimeout: 9, writeTimeout: 9 }\nredis:\n  <<: [*common, *other]\n  enabled: true\n  address: redis:6379\n  connectTimeout: 1\n`,
  })
  assert.deepEqual(
    [config.redis.connectTimeoutMs, config.redis.readTimeoutMs, config.redis.writeTimeoutMs],
    [1_000, 8_000, 9_000],
  )
})

test('what is merged is checked where it stands (D7)', () => {
  assert.match(problemsOf({ text: 'x-a: &a { db: 99 }\nredis:\n  <<: *a\n' }).join(), /^c\.yaml:1: redis\.db: must be/)
  assert.match(problemsOf({ text: 'x-a: &a\n  <<: *a\nredis: *a' }).join(), /nested more than|check its anchors/)
})

const yamlWords: [what: string, text: string, problem: RegExp][] = [
  ['a tab', 'redis:\n\tenabled: true', /^c\.yaml:2: is indented with a tab, which YAML does not allow; use spaces/],
  ['a tab after spaces', 'redis:\n  enabled: true\n  \tdb: 1\n', /is indented with a tab/],
  ['an @ in front', 'allowedUsers:\n  - @example.com', /^c\.yaml:2: begins with a character that YAML keeps/],
  ['a * in front', 'allowedUserDomains: [*]', /begins with \* or &/],
  ['a backslash in double quotes', 'clientSecret: "a\\d"', /has a \\ that YAML reads as an escape; use single quotes/],
  [
    "another program's tag",
    'clientSecret: !vault secret/x',
    /^c\.yaml:1: clientSecret: has a tag that another program/,
  ],
  ['UTF-16', 'c\0l\0i\0', /is not UTF-8/],
]
for (const [what, text, problem] of yamlWords) {
  test(`${what} is refused in words that help (D7)`, () => {
    const problems = problemsOf({ text })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test('empty documents, document marks and a byte order mark mean nothing (D7)', () => {
  for (const text of [
    '---\nclientID: a\n---\n',
    '\uFEFFclientID: a',
    '---\n---\n# c\n---\nclientID: a\n...\n',
    '# c\n---\nclientID: a',
  ]) {
    assert.equal(load({ text }).config.provider.clientID, 'a', JSON.stringify(text))
  }
})

test('whatever is wrapped around a block, it is found or refused, and nothing else happens (D1)', () => {
  const name = fc.oneof(
    fc.constantFrom('spec', 'plugin', 'http', 'middlewares', 'labels', '__proto__', 'items'),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(name, { maxLength: 6 }), fc.anything(), (names, beside) => {
      const wrapped = names.reduceRight<unknown>((inner, key) => ({ [key]: inner, beside }), {
        providerURL: 'https://issuer.example',
        clientID: 'pasted',
      })
      let text: string
      try {
        text = JSON.stringify(wrapped) ?? ''
      } catch {
        return
      }
      problemsOf({ text })
    }),
    { numRuns: 500 },
  )
})
