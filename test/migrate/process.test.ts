// `foregate migrate` as a process: what it prints where, and how it ends.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { directory } from './fixtures.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const fixture = (name: string): string => fileURLToPath(new URL(name, directory))

async function run(
  args: readonly string[],
  { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
) {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'] ?? '', ...env } })
  child.stdin.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { stdout, stderr, code: child.exitCode }
}

test('a compose file becomes a configuration on standard output and a report on standard error, exit 0; check takes the former', async (t) => {
  const file = fixture('oauth2-proxy/compose-upstream.yaml')
  const { stdout, stderr, code } = await run(['migrate', 'oauth2-proxy', file])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^providerURL: https:\/\/id\.example\.com\/realms\/main$/m)
  assert.match(stderr, /^kept +\S+compose-upstream\.yaml:10: OAUTH2_PROXY_OIDC_ISSUER_URL -> providerURL$/m)
  assert.match(stderr, /^ {2}CLIENT_SECRET {2}/m)

  const folder = mkdtempSync(join(tmpdir(), 'foregate-migrate-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'config.yaml')
  writeFileSync(config, stdout)
  const env = {
    CLIENT_SECRET: randomBytes(24).toString('hex'),
    SESSION_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  }
  const check = await run(['check', '--config', config], { env })
  assert.deepEqual([check.code, check.stdout], [0, 'the configuration is fine\n'], check.stderr)
  // Not before the variables are set, and then it says which.
  assert.match((await run(['check', '--config', config])).stderr, /CLIENT_SECRET, which is not set/)
})

test('several files are one configuration, - is standard input, and what is left to decide ends with 1', async () => {
  const input = readFileSync(fixture('oauth2-proxy/alpha.yaml'), 'utf8')
  const { stdout, stderr, code } = await run(['migrate', 'oauth2-proxy', '-', fixture('oauth2-proxy/alpha-core.cfg')], {
    input,
  })
  assert.equal(code, 1)
  assert.match(stdout, /^allowedUserDomains: \[example\.com\]$/m)
  assert.match(stderr, /^decide +-:13: upstreams\[2\] -> upstreams: /m)
})

test('--report json is for programs, and still prints the configuration', async () => {
  const { stdout, stderr, code } = await run([
    'migrate',
    '--report=json',
    'traefik-forward-auth',
    fixture('traefik-forward-auth/rules.ini'),
  ])
  assert.equal(code, 1)
  assert.match(stdout, /^rules:$/m)
  const report = JSON.parse(stderr)
  assert.deepEqual(Object.keys(report), ['source', 'items', 'set', 'files', 'problems', 'next', 'settled'])
  assert.equal(report.settled, false)
  assert.ok(
    report.items.some(
      (item: { option: string; outcome: string }) => item.option === 'rule.key' && item.outcome === 'decide',
    ),
  )
})

test('--keep-secrets leaves them in the configuration, and in it alone', async () => {
  const { stdout, stderr } = await run([
    'migrate',
    '--keep-secrets',
    'oauth2-proxy',
    fixture('oauth2-proxy/local-environment.cfg'),
  ])
  for (const secret of ['vv3ry-s3cr3t-of-nginx', 'hunter22-of-redis']) {
    assert.ok(stdout.includes(secret), secret)
    assert.ok(!stderr.includes(secret), secret)
  }
  // Sessions there are sealed with another kind of key: a new one is needed all the same.
  assert.match(stdout, /^sessionEncryptionKey: \$\{SESSION_ENCRYPTION_KEY\}$/m)
})

const refused: readonly (readonly [words: string, args: readonly string[], input: string, message: RegExp])[] = [
  ['a file that is not there', ['oauth2-proxy', '/nowhere/a.yaml'], '', /ENOENT/],
  ['a directory', ['oauth2-proxy', '/tmp'], '', /EISDIR/],
  [
    'another program’s file',
    ['oauth2-proxy', fixture('traefik-oidc-auth/dynamic.yaml')],
    '',
    /nothing of oauth2-proxy is in it/,
  ],
  ['a file without the plugin', ['traefikoidc', '-'], 'a: 1\n', /^foregate: -: no block of traefikoidc/],
  [
    'two blocks',
    ['traefikoidc', fixture('traefikoidc/dynamic.toml'), fixture('traefikoidc/labels.yaml')],
    '',
    /2 blocks of traefikoidc/,
  ],
  ['broken YAML', ['oauth2-proxy', '-'], 'a: [secret-in-broken-yaml\n', /^foregate: -:\d+: /],
  ['nothing', ['ingress-nginx', '-'], '', /^foregate: -: is neither YAML/],
  ['bytes', ['oauth2-proxy', '-'], 'a\0b', /not UTF-8/],
  ['an unknown source', ['authelia', '-'], '', /unknown source/],
]
for (const [words, args, input, message] of refused) {
  test(`${words} ends with 2, prints nothing, and says why`, async () => {
    const { stdout, stderr, code } = await run(['migrate', ...args], { input })
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.match(stderr, message)
    assert.ok(!stderr.includes('secret-in-broken-yaml'))
  })
}
