import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { load, problemsOf } from './load-fixture.ts'

const redis = 'redis: { enabled: true, address: "r:1" }'
const withRedis = (text: string) => `${redis}\n${text}`

test('without addresses or a name there is no second road', () => {
  const { config, warnings } = load({ text: redis })
  assert.equal(config.peers, undefined)
  assert.deepEqual(warnings, [])
})

test('peers are named one by one', () => {
  const { config, warnings } = load({ text: withRedis('peers: { addresses: ["a:4181", "[fd00::2]:4181"] }') })
  assert.deepEqual(config.peers, {
    listen: { host: '0.0.0.0', port: 4_181 },
    addresses: [
      { host: 'a', port: 4_181 },
      { host: 'fd00::2', port: 4_181 },
    ],
    dns: undefined,
  })
  assert.deepEqual(warnings, [])
})

test('peers are all addresses of a name', () => {
  const { config } = load({ text: withRedis('peers: { dns: foregate-headless:4181, listen: "[::]:9000" }') })
  assert.deepEqual(config.peers, {
    listen: { host: '::', port: 9_000 },
    addresses: [],
    dns: { host: 'foregate-headless', port: 4_181 },
  })
})

test('the environment says where peers and the spool are', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'foregate-config-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const env = { REDIS_ENABLED: 'true', REDIS_ADDRESS: 'r:1', OUTAGE_SPOOL_DIR: directory }
  const listed = load({ env: { ...env, PEERS_ADDRESSES: 'a:1, b:2', PEERS_LISTEN: ':5000' } }).config
  assert.deepEqual(listed.peers?.addresses, [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 },
  ])
  assert.equal(listed.peers?.listen.port, 5_000)
  assert.equal(listed.outage.spoolDir, directory)
  assert.deepEqual(load({ env: { ...env, PEERS_DNS: 'all:1' } }).config.peers?.dns, { host: 'all', port: 1 })
})

const refusals: [text: string, problem: RegExp][] = [
  [
    'peers: { addresses: ["a:1"], dns: "b:1" }',
    /^c\.yaml:2: peers\.dns: is given beside peers\.addresses; keep one of the two/,
  ],
  ['peers: { addresses: [a] }', /peers\.addresses\[0\]: must be host:port/],
  ['peers: { dns: foregate-headless }', /peers\.dns: must be host:port/],
  ['peers: { dns: "a:1", listen: nowhere }', /peers\.listen: must be an address to listen on/],
  ['peers: { dns: "a:1", listen: ":0" }', /peers\.listen: must name a port/],
  ['peers: { dns: "a:1", listen: ":4180" }', /peers\.listen: has the port of `listen`/],
  [
    'peers: { dns: "a:1", listen: ":9180" }\nmetrics: { listen: ":9180" }',
    /peers\.listen: has the port of `metrics\.listen`/,
  ],
  ['peers: { address: ["a:1"] }', /peers\.address: is no known option; did you mean peers\.addresses\?/],
  ['outage: { spoolDir: spool }', /outage\.spoolDir: must be an absolute path/],
  ['outage: { spoolDir: /dev/null }', /outage\.spoolDir: is no directory/],
  ['outage: { spoolDir: /dev/null/spool }', /outage\.spoolDir: cannot be used \(ENOTDIR\)/],
]
for (const [text, problem] of refusals) {
  test(`refused, once and by line and path: ${JSON.stringify(text)}`, () => {
    const problems = problemsOf({ text: withRedis(text) })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
    assert.match(problems[0] ?? '', /^c\.yaml:2: /)
  })
}

for (const mode of ['', 'redis: { enabled: true, address: "r:1", cacheMode: memory }']) {
  test(`peers in memory mode are a warning, and are not started: ${mode || 'no Redis'}`, () => {
    const { config, warnings } = load({ text: `peers: { addresses: ["a:1"] }\n${mode}` })
    assert.equal(config.peers, undefined)
    assert.match(warnings.join('\n'), /^c\.yaml:1: peers\.addresses: has no effect without Redis/)
  })
}

test('a spool in memory mode is a warning', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'foregate-config-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const { warnings } = load({ text: `outage: { spoolDir: ${directory} }` })
  assert.match(warnings.join('\n'), /^c\.yaml:1: outage\.spoolDir: has no effect without Redis/)
})

test('a place to listen for nobody is a warning', () => {
  const { config, warnings } = load({ text: withRedis('peers: { listen: ":5000" }') })
  assert.equal(config.peers, undefined)
  assert.match(warnings.join('\n'), /^c\.yaml:2: peers\.listen: has no effect without peers\.addresses or peers\.dns/)
})

test('a spool directory exists or can be made, and asking makes nothing', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'foregate-config-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const spoolDir = (path: string) => load({ text: withRedis(`outage: { spoolDir: ${path} }`) }).config.outage.spoolDir
  assert.equal(spoolDir(directory), directory)
  assert.equal(spoolDir(`${directory}/a/b/`), `${directory}/a/b`)
  mkdirSync(`${directory}/a`)
  assert.equal(load({ text: redis }).config.outage.spoolDir, undefined)
})

test('a spool directory below a file cannot be made', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'foregate-config-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'file'), '')
  const problems = problemsOf({ text: withRedis(`outage: { spoolDir: ${directory}/file/spool/deep }`) })
  assert.match(problems[0] ?? '', /outage\.spoolDir: cannot be used \(ENOTDIR\)/)
})

test('a spool directory that this process may not write is refused', (t) => {
  if (process.getuid?.() === 0) return t.skip('root may write anywhere')
  const directory = mkdtempSync(join(tmpdir(), 'foregate-config-'))
  chmodSync(directory, 0o555)
  t.after(() => rmSync(directory, { recursive: true }))
  const problemsWith = (path: string) => problemsOf({ text: withRedis(`outage: { spoolDir: ${path} }`) }).join()
  assert.match(problemsWith(directory), /outage\.spoolDir: cannot be used \(EACCES\)/)
  assert.match(problemsWith(`${directory}/spool`), /outage\.spoolDir: does not exist, nor can it be made \(EACCES\)/)
})
