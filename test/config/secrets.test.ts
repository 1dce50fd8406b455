import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { leftBehind, noSecret, weakness } from '../../src/config/no-secrets.ts'
import { KEY, load, problemsOf } from './load-fixture.ts'

const redis = { REDIS_ENABLED: 'true', REDIS_ADDRESS: 'redis:6379' }

test('a secret may come from _FILE, file: or urn:k8s:secret:, without the file’s last line break', () => {
  const files = {
    '/s/client': 'client-from-file\n',
    '/s/redis': 'redis-from-file\r\n',
    '/var/run/secrets/foregate/oidc/key': `${KEY}\n`,
  }
  const { config } = load({
    text: 'redis: { password: "file:/s/redis" }\nsessionEncryptionKey: urn:k8s:secret:oidc:key',
    env: { CLIENT_SECRET: '', CLIENT_SECRET_FILE: '/s/client', ...redis },
    files,
  })
  assert.equal(config.provider.clientSecret, 'client-from-file')
  assert.equal(config.redis.password?.(), 'redis-from-file')
  assert.deepEqual(config.session.encryptionKeys, [Buffer.from(KEY)])
})

test('secretsDir says where Kubernetes secrets are mounted', () => {
  const { config } = load({
    text: 'secretsDir: /mnt\nclientSecret: "urn:k8s:secret:a:b"',
    files: { '/mnt/a/b': 'mounted' },
  })
  assert.equal(config.provider.clientSecret, 'mounted')
})

test('the Redis and Sentinel passwords are read again at each call, and throw when their file has gone', () => {
  const files: Record<string, string> = { '/pw': 'first', '/spw': 'one' }
  const text =
    'redis: { enabled: true, password: "file:/pw", sentinel: { masterName: m, addresses: ["s:1"], password: "file:/spw" } }'
  const { redis } = load({ text, files }).config
  assert.deepEqual([redis.password?.(), redis.sentinel?.password?.()], ['first', 'one'])
  files['/pw'] = 'second\n'
  files['/spw'] = 'two'
  assert.deepEqual([redis.password?.(), redis.sentinel?.password?.()], ['second', 'two'])
  delete files['/pw']
  assert.throws(() => redis.password?.(), /ENOENT/)
})

for (const urn of [
  'urn:k8s:secret:..:key',
  'urn:k8s:secret:a:../b',
  'urn:k8s:secret:a/b:c',
  'urn:k8s:secret:a',
  'urn:k8s:secret:a:b:c',
  'urn:k8s:secret::k',
  'urn:k8s:secret:a:.',
  'urn:k8s:secret:a:..data',
]) {
  test(`${urn} is refused`, () => {
    assert.match(
      problemsOf({ text: `clientSecret: "${urn}"` })[0] ?? '',
      /^c\.yaml:1: clientSecret: must be urn:k8s:secret:NAME:KEY/,
    )
  })
}

const refusals: [name: string, given: Parameters<typeof problemsOf>[0], problem: RegExp][] = [
  [
    'a file that is not there',
    { text: 'clientSecret: "file:/none"' },
    /clientSecret: its file cannot be read \(ENOENT\)/,
  ],
  ['an empty file', { text: 'clientSecret: "file:/e"', files: { '/e': '\n' } }, /clientSecret: is empty/],
  ['a relative path', { text: 'clientSecret: "file:secret"' }, /clientSecret: must name the file by its absolute path/],
  [
    'a variable and its _FILE at once',
    { env: { CLIENT_SECRET_FILE: '/x' } },
    /clientSecret: both CLIENT_SECRET and CLIENT_SECRET_FILE/,
  ],
  ['a number in place of a secret', { text: 'redis: { password: 12345 }' }, /redis\.password: must be text/],
  [
    'the placeholder your-client-secret',
    { text: 'clientSecret: your-client-secret' },
    /placeholder your-client-secret/,
  ],
  ['the placeholder your-client-id', { text: 'clientID: Your-Client-ID' }, /placeholder your-client-id/],
  [
    'the placeholder your-encryption-key',
    { text: 'sessionEncryptionKey: your-encryption-key' },
    /placeholder your-encryption-key/,
  ],
  [
    'the placeholder your-password',
    { env: { ...redis, REDIS_PASSWORD: 'your-password' } },
    /redis\.password: .*placeholder your-password/,
  ],
  [
    'a placeholder in a file',
    { text: 'clientSecret: "file:/p"', files: { '/p': 'changeme\n' } },
    /placeholder changeme/,
  ],
  [
    'a placeholder in redis.url',
    { env: { REDIS_URL: 'redis://:your-password@h:1' } },
    /redis\.url: .*placeholder your-password/,
  ],
  ['a key of 31 bytes', { text: `sessionEncryptionKey: ${KEY.slice(1)}` }, /has 31 bytes, at least 32 are needed/],
  [
    'a short key in a list',
    { text: `sessionEncryptionKey: [${KEY}, short]` },
    /sessionEncryptionKey\[1\]: has 5 bytes/,
  ],
  ['the same key twice', { text: `sessionEncryptionKey: [${KEY}, ${KEY}]` }, /names the same key twice/],
  ['no key', { env: { SESSION_ENCRYPTION_KEY: '' } }, /sessionEncryptionKey: is missing/],
  ['no client secret', { env: { CLIENT_SECRET: '' } }, /clientSecret: is missing/],
]
for (const [name, given, problem] of refusals) {
  test(`${name} is refused`, () => {
    const problems = problemsOf(given)
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

const weak: [key: string, why: RegExp][] = [
  ['a'.repeat(32), /different characters/],
  ['abababababababababababababababab', /different characters/],
  ['abcdefghijklmnopqrstuvwxyzABCDEFGHIJ', /sequence/],
  ['zyxwvutsrqponmlkjihgfedcba987654', /sequence/],
  ['12345678901234567890123456789012', /sequence/],
  ['s3cretPwXs3cretPwXs3cretPwXs3cretPwX', /repeats itself/],
  ['potato-secret-is-at-least-32-bytes-long', /example/],
  ['your-secure-session-key-of-32-chars!', /example/],
  ['0123456789abcdef0123456789abcdef', /sequence/],
]
for (const [key, why] of weak) {
  test(`the key ${key.slice(0, 12)}… is too weak`, () => {
    assert.match(weakness(key) ?? '', why)
    assert.equal(problemsOf({ text: `sessionEncryptionKey: "${key}"` }).length, 1)
  })
}

test('random keys are never called weak', () => {
  for (let round = 0; round < 500; round += 1) {
    const key = randomBytes(32)
    for (const text of [key.toString('base64'), key.toString('base64url'), key.toString('hex')]) {
      assert.equal(weakness(text), undefined, text)
    }
  }
})

test('keys rotate by a list, by commas in the environment, and by lines in a file', () => {
  const other = KEY.toLowerCase()
  const both = [Buffer.from(KEY), Buffer.from(other)]
  const env = { SESSION_ENCRYPTION_KEY: '' }
  assert.deepEqual(load({ text: `sessionEncryptionKey: [${KEY}, ${other}]` }).config.session.encryptionKeys, both)
  assert.deepEqual(load({ env: { SESSION_ENCRYPTION_KEY: `${KEY},${other}` } }).config.session.encryptionKeys, both)
  const byFile = load({ env: { ...env, SESSION_ENCRYPTION_KEY_FILE: '/k' }, files: { '/k': `${KEY}\n${other}\n` } })
  assert.deepEqual(byFile.config.session.encryptionKeys, both)
})

const leftAround: [what: string, written: string][] = [
  ['a line break', 'the-secret-9f2\n'],
  ['a line break of Windows', 'the-secret-9f2\r\n'],
  ['several line breaks', 'the-secret-9f2\n\r\n\n'],
  ['a line break in front', '\nthe-secret-9f2'],
  ['a byte order mark', '\uFEFFthe-secret-9f2'],
  ['a byte order mark and a line break', '\uFEFFthe-secret-9f2\r\n'],
]
for (const [what, written] of leftAround) {
  test(`${what} around a secret is the editor's, wherever the secret comes from (C8)`, () => {
    const files = { '/s': written, '/var/run/secrets/foregate/a/b': written }
    const text = 'clientSecret: "file:/s"\nredis: { enabled: true, address: "r:1", password: "urn:k8s:secret:a:b" }'
    const { config } = load({ text, files })
    assert.equal(config.provider.clientSecret, 'the-secret-9f2')
    assert.equal(config.redis.password?.(), 'the-secret-9f2')
    const byVariable = load({ env: { CLIENT_SECRET: written, ...redis, REDIS_PASSWORD: written } }).config
    assert.equal(byVariable.provider.clientSecret, 'the-secret-9f2')
    assert.equal(byVariable.redis.password?.(), 'the-secret-9f2')
    const key = load({ env: { SESSION_ENCRYPTION_KEY: written.replace('the-secret-9f2', KEY) } }).config.session
    assert.deepEqual(key.encryptionKeys, [Buffer.from(KEY)])
  })
}

const leftWithin: [what: string, secret: string, problem: RegExp][] = [
  ['a space behind', 'the-secret-9f2 ', /begins or ends with white space/],
  ['a space in front', ' the-secret-9f2', /begins or ends with white space/],
  ['a tab and a line break behind', 'the-secret-9f2\t\n', /begins or ends with white space/],
  ['a no-break space behind', 'the-secret-9f2\u00A0', /begins or ends with white space/],
  ['double quotes around', '"the-secret-9f2"', /is in quotes, which would be part of it/],
  ['single quotes around', "'the-secret-9f2'\n", /is in quotes/],
  ['typographic quotes around', '“the-secret-9f2”', /is in quotes/],
  ['a line break within', 'the-secret\n-9f2', /has a line break or another control character/],
  ['a NUL within', 'the-secret\0-9f2', /has a line break or another control character/],
  ['a zero-width space within', 'the-secret\u200B-9f2', /has an invisible character/],
  ['a soft hyphen within', 'the\u00ADsecret-9f2', /has an invisible character/],
  ['bytes that are no UTF-8', 'the-secret\uFFFD\uFFFD9f2', /is not text in UTF-8/],
]
for (const [what, secret, problem] of leftWithin) {
  test(`a secret with ${what} is refused in words (C8)`, () => {
    const problems = problemsOf({ env: { CLIENT_SECRET: '', CLIENT_SECRET_FILE: '/s' }, files: { '/s': secret } })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
    assert.match(
      problemsOf({
        text: `sessionEncryptionKey: [${JSON.stringify(KEY)}, ${JSON.stringify(secret.padEnd(40, secret.at(-1)))}]`,
      }).join(),
      /sessionEncryptionKey\[1\]/,
    )
  })
}

test('a key file of random bytes is refused, because as text it would be half a key (C8)', () => {
  const bytes = randomBytes(32).fill(0xff, 0, 4)
  assert.match(
    problemsOf({ text: 'sessionEncryptionKey: "file:/k"', files: { '/k': bytes.toString('utf8') } }).join(),
    /sessionEncryptionKey: is not text in UTF-8/,
  )
})

test('letters beyond ASCII, quotes within and inner spaces are part of a secret (C8)', () => {
  for (const secret of ['pässwörd-日本', `a"b'c`, 'correct horse battery', '"only in front']) {
    assert.equal(leftBehind(secret), undefined, secret)
    assert.equal(load({ env: { CLIENT_SECRET: secret } }).config.provider.clientSecret, secret)
  }
})

const published: [whose: string, key: string][] = [
  ['the plugin', 'potato-secret-is-at-least-32-bytes-long'],
  ['the plugin (its built-in default)', '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'],
  ['the plugin', 'your-32-char-encryption-key-here'],
  ['the plugin', 'secure-64-character-encryption-key-for-production-use-only'],
  ['the plugin', 'prod-encryption-key-64-chars-long-keep-it-secret-and-safe'],
  ['the plugin', 'kubernetes-64-character-session-encryption-key-keep-secret'],
  ['the plugin', 'hybrid-mode-encryption-key-64-characters-long-and-secure'],
  ['the plugin', 'user-encryption-key-min-32-bytes'],
  ['oauth2-proxy', 'OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w='],
  ['oauth2-proxy', 'somerandomstring12341234567890AB'],
  ['traefik-oidc-auth (its built-in default)', 'MLFs4TT99kOOq8h3UAVRtYoCTDYXiRcZ'],
  ['others', 'REPLACE_WITH_A_RANDOM_32_BYTE_KEY_OF_YOURS'],
  ['others', 'this-is-a-very-long-secret-key-of-32-chars'],
  ['others', 'thisisasessionkeyreplacethisjetzt'],
  ['others', 'super-secret-session-key-change-in-prod'],
  ['others', 'CHANGE_THIS_TO_A_RANDOM_STRING_OF_32_CHARS'],
  ['others', '<generate with openssl rand -base64 32>'],
  ['others', 'passwordpassword12345678password'],
  ['others', 'letmein-letmein-LETMEIN-9-letmein'],
  ['others', 'qwertyuiopasdfghjklzxcvbnm1234567890'],
  ['others', 'horsebattery1'.repeat(3)],
  ['others', 'a1b2c3d4e5f6g7h8i9j0'.repeat(2)],
  ['others in base64', Buffer.from('my-super-secret-session-encryption-key').toString('base64')],
  ['others in hexadecimal', Buffer.from('this-is-the-secret-key-of-32-bytes!').toString('hex')],
]
for (const [whose, key] of published) {
  test(`a key that is public, of ${whose}: ${key.slice(0, 24)}… is refused (D4)`, () => {
    for (const given of [
      { text: `sessionEncryptionKey: ${JSON.stringify(key)}` },
      { env: { SESSION_ENCRYPTION_KEY: key } },
    ]) {
      const problems = problemsOf(given)
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(
        problems[0] ?? '',
        /sessionEncryptionKey: (?:is an example|looks like a placeholder|is a sequence|repeats itself|is made of words about itself)/,
      )
    }
  })
}

const noSecrets: [value: string, words: RegExp][] = [
  ['REPLACE_WITH_YOUR_REDIS_PASSWORD', /looks like a placeholder/],
  ['<your client secret>', /looks like a placeholder/],
  ['YOUR_CLIENT_SECRET', /looks like a placeholder/],
  ['your-azure-client-secret', /looks like a placeholder/],
  ['yourredispassword', /looks like a placeholder/],
  ['CLIENT_SECRET', /looks like a placeholder/],
  ['change me', /looks like a placeholder/],
  ['insert_your_secret', /looks like a placeholder/],
  ['client-secret-here', /looks like a placeholder/],
  ['XXXXXXXX', /looks like a placeholder/],
  ['***', /looks like a placeholder/],
  ['...', /looks like a placeholder/],
  ['TODO', /looks like a placeholder/],
  ['b2F1dGgyLXByb3h5LWNsaWVudC1zZWNyZXQK', /is an example from documentation/],
  ['{{ env "OIDC_SECRET" }}', /is a reference that another program fills in/],
  ['{{ .Values.clientSecret | quote }}', /is a reference/],
  ['$(CLIENT_SECRET)', /is a reference/],
  ['$CLIENT_SECRET', /is a reference/],
  ['%CLIENT_SECRET%', /is a reference/],
  ['vault:secret/data/oidc#client', /is a reference/],
  ['op://vault/oidc/secret', /is a reference/],
  ['ENC[AES256_GCM,data:abc]', /is a reference/],
]
for (const [value, words] of noSecrets) {
  test(`${value} is no secret (D4)`, () => {
    const given = [
      { text: `clientSecret: ${JSON.stringify(value)}` },
      { env: { ...redis, REDIS_PASSWORD: value } },
      { text: 'clientSecret: "file:/s"', files: { '/s': `${value}\n` } },
    ]
    for (const one of given) {
      const problems = problemsOf(one)
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0] ?? '', words)
    }
  })
}

test('an unquoted template is the text that it is, in any option (D4)', () => {
  const problems = problemsOf({
    text: 'clientID: {{ env "OIDC_ID" }}\nclientSecret: {{ env "OIDC_SECRET" }}\nproviderURL: "{{ env `OIDC_URL` }}"\nredis:\n  address: "{{ .Values.redis }}:6379"\nallowedUsers: ["{{ .user }}"]\n',
  })
  assert.deepEqual(
    problems.map((line) => line.split(': ').slice(0, 2).join(' ')),
    [
      'c.yaml:1 clientID',
      'c.yaml:2 clientSecret',
      'c.yaml:3 providerURL',
      'c.yaml:5 redis.address',
      'c.yaml:6 allowedUsers[0]',
    ],
  )
  for (const line of problems) assert.match(line, /another program.*\$\{NAME\}/)
})

test('secrets and ids that people have are taken (D4)', () => {
  for (const secret of [
    'GOCSPX-q9_Yh2lk',
    'my-redis',
    's3cr3t!',
    'AB12_CD34_EF56',
    'gto_qdppomn2p26su5x46',
    'a$b',
    '$ecret',
    'hunter2',
  ]) {
    assert.equal(noSecret(secret), undefined, secret)
  }
  for (const id of ['my-app', 'GRAFANA_PROD', 'change-tracker', '0oa1b2c3', 'secret-santa-here', 'none', 'aaa']) {
    assert.equal(load({ text: `clientID: ${id === 'none' ? '"none"' : id}` }).config.provider.clientID, id)
  }
  for (const passphrase of ['orchid tramway 9 lantern pigeon zebra', 'Umzug-Kessel-Wiese-Tafel-Birne-17-Kahn']) {
    assert.equal(weakness(passphrase), undefined, passphrase)
  }
})

test('urn:k8s:secret: works for every text, in lists and groups, too (D5)', () => {
  const mount = (values: Record<string, string>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`/var/run/secrets/foregate/oidc/${name}`, value]))
  const { config } = load({
    text: `providerURL: urn:k8s:secret:oidc:url
clientID: urn:k8s:secret:oidc:ID
scopes: [urn:k8s:secret:oidc:scope]
redis: { enabled: true, address: "urn:k8s:secret:oidc:redis", username: "urn:k8s:secret:oidc:user" }
rules: [{ path: /a, require: { groups: ["urn:k8s:secret:oidc:group"] } }]
headers: [{ name: X-A, value: "urn:k8s:secret:oidc:template" }]
`,
    files: mount({
      url: 'https://issuer.example/\n',
      ID: 'the-id\r\n',
      scope: 'roles',
      redis: 'redis:6379\n',
      user: 'foregate',
      group: 'ops\n',
      template: '{{.Claims.email}}\n',
    }),
  })
  assert.equal(config.provider.providerURL, 'https://issuer.example/')
  assert.equal(config.provider.clientID, 'the-id')
  assert.ok(config.provider.scopes.includes('roles'))
  assert.deepEqual([config.redis.address?.host, config.redis.username], ['redis', 'foregate'])
  assert.deepEqual(config.access.rules[0]?.require?.groups, ['ops'])
  assert.equal(config.access.headers[0]?.template, '{{.Claims.email}}')
})

test('a urn that leads nowhere is said once, with the place where the file should be (D5)', () => {
  const problems = problemsOf({
    text: 'clientID: urn:k8s:secret:oidc:id\nproviderURL: urn:k8s:secret:..:x\nclientSecret: urn:k8s:secret:a:b',
  })
  assert.equal(problems.length, 3, problems.join('\n'))
  assert.match(
    problems[0] ?? '',
    /^c\.yaml:1: clientID: its file cannot be read \(ENOENT\); urn:k8s:secret:NAME:KEY is the file NAME\/KEY in secretsDir/,
  )
  assert.match(problems[1] ?? '', /^c\.yaml:2: providerURL: must be urn:k8s:secret:NAME:KEY/)
  assert.match(problems[2] ?? '', /^c\.yaml:3: clientSecret: its file cannot be read/)
})
