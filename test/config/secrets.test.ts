import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { weakness } from '../../src/config/secrets.ts'
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
