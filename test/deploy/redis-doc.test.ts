// docs/redis.md speaks of options, defaults, metrics and messages by name. None of these may drift away from the program.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { createApp } from '../../src/app.ts'
import { fault } from '../../src/store/redis/faults.ts'
import type { Key } from '../../src/store/store.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { RedisFaultKind } from '../../src/store/redis/faults.ts'
import { environmentName } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/load-config.ts'
import { allOptions } from '../../src/config/schema.ts'
import { createLogger } from '../../src/telemetry/pino.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { redisConfig, redisMissing, startRedis } from '../fixtures/redis.ts'
import { liveLinkTo } from '../store/redis/link-under-test.ts'
import { createPlatform } from '../../src/runtime.ts'

const file = new URL('../../docs/redis.md', import.meta.url)
const text = readFileSync(file, 'utf8')

const secret = 'k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa'
const base = {
  PROVIDER_URL: 'https://id.example.com',
  CLIENT_ID: 'foregate',
  CLIENT_SECRET: 'one-of-our-own-8271',
  SESSION_ENCRYPTION_KEY: secret,
}
const authority = createAuthority()
const { cert, key: privateKey } = authority.issue('client')
authority.close()

function readMounted(path: string): string {
  if (path.endsWith('-key.pem')) return privateKey
  return path.endsWith('.pem') ? cert : secret
}

const load = (config: string) => loadConfig({ text: config, env: base, readFile: readMounted })

/** Fenced blocks of a language, without the indentation of a list they may stand in. */
function blocks(language: string): string[] {
  return [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\``, 'gm'))].map(
    ([, indent = '', body = '']) => body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  )
}

/** Compose files and Kubernetes objects are no configuration of ours, but may hold one. */
function configurationIn(block: string): string | undefined {
  const content = parse(block)
  if ('services' in content) return undefined
  return 'apiVersion' in content ? content.data?.['config.yaml'] : block
}

const configurations = blocks('yaml').flatMap((block) => configurationIn(block) ?? [])

test('the page has configurations to check', () => assert.ok(configurations.length >= 10))

for (const [index, configuration] of configurations.entries()) {
  test(`configuration ${index + 1} of the page is valid and warns of nothing`, () => {
    assert.deepEqual(load(configuration).warnings, [])
  })
}

test('the Compose example sets variables that Foregate reads, and they make a valid configuration', () => {
  const compose = parse(blocks('yaml').find((block) => block.startsWith('services:')) ?? '')
  const env: Record<string, string> = { ...base, ...compose.services.foregate.environment, REDIS_PASSWORD: secret }
  const known = new Set(allOptions.map(({ path }) => environmentName(path)))
  for (const name of Object.keys(compose.services.foregate.environment)) assert.ok(known.has(name), name)
  const { config } = loadConfig({ env: { ...env, ...base }, readFile: readMounted })
  assert.equal(config.redis.mode, 'hybrid')
  assert.equal(config.redis.address?.host, 'redis')
})

const rows = [...text.matchAll(/^\| `((?:redis|outage|memory)\.[\w.]+)` \| [^|]+ \| (?:`([^`]*)`|-) \|/gm)].map(
  ([, name = '', stated]) => ({ name, stated }),
)
const documented = allOptions.filter(({ path: [group = ''] }) => ['redis', 'outage', 'memory'].includes(group))

for (const { path, info } of documented) {
  const name = path.join('.')
  test(`the table has ${name} with its default`, () => {
    const found = rows.filter((row) => row.name === name)
    assert.equal(found.length, 1, 'one row')
    const value = info.default
    const expected = value === undefined || typeof value === 'string' ? value : JSON.stringify(value)
    assert.equal(found[0]?.stated, expected)
  })
}

test('the table has no option that does not exist', () => {
  const names = new Set(documented.map(({ path }) => path.join('.')))
  for (const { name } of rows) assert.ok(names.has(name), name)
})

test('every environment variable of the list is one that is read', () => {
  const known = new Set(
    allOptions.flatMap(({ path, info }) => {
      const name = environmentName(path)
      return info.secret === true ? [name, `${name}_FILE`] : [name]
    }),
  )
  const list = blocks('bash').find((block) => block.startsWith('REDIS_ENABLED')) ?? ''
  const names = [...list.matchAll(/^([A-Z\d_]+)=/gm)].map(([, name = '']) => name)
  assert.ok(names.length >= 12)
  for (const name of names) assert.ok(known.has(name), name)
})

test('every metric that the page names is one that /metrics has', async () => {
  const metrics = createMetrics({ processMetrics: false })
  createApp(load('').config, {
    ...createPlatform(),
    logger: createLogger({ level: 'error' }),
    metrics,
  })
  const rendered = new Set([...(await metrics.render()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
  const named = new Set([...text.matchAll(/\bforegate_[a-z_\d]+/g)].map(([name]) => name.replace(/_bucket$/, '')))
  assert.ok(named.size >= 15)
  for (const name of named) assert.ok(rendered.has(name), name)
})

test('the ACL user of the page may do all that is done, and nothing else', { skip: redisMissing }, async (t) => {
  const rules = (blocks('bash').find((block) => block.startsWith('ACL SETUSER')) ?? '').replaceAll('\\\n', ' ')
  const [, , ...user] = rules.trim().split(/\s+/)
  const server = await startRedis()
  t.after(() => server.close())
  await server.cli('ACL', 'SETUSER', ...user)
  const credentials = { username: 'foregate', password: () => 'PASSWORD' }
  const it = await liveLinkTo(redisConfig({ address: server.address, db: 1, ...credentials }))
  t.after(() => it.link.close())
  const { store, log } = it.link
  const [key, mark]: [Key, Key] = [
    { kind: 'session', id: 'a' },
    { kind: 'revoked', id: 'a' },
  ]
  const value = Buffer.from('value')
  await store.set(key, value, 1_000)
  await store.get(key)
  await store.get(key, 3)
  await store.add(key, value, 1_000)
  await store.compareAndSet(key, value, 1_000, value, 'note')
  await store.touch(key, 1_000)
  await store.compareAndTouch(key, value, 1_000)
  await store.ttl(key)
  await store.overwriteHead(key, value)
  await store.compareAndDelete(key, value)
  await store.delete(key)
  const set = { kind: 'sessions', id: 'doc' } as const
  await store.addMember(set, 'one', Date.now() + 1_000, Date.now())
  await store.members(set, Date.now(), 10)
  await store.removeMember(set, 'one')
  await store.setUnlessMarked(key, value, 1_000, { mark, generation: 1 }, 'note')
  await store.withdraw(key, mark, 3, 1_000, 'note')
  await store.withdraw(key, mark, everyGeneration, 1_000, 'note')
  const { head } = await it.beat()
  await log.append([{ id: 'a', floor: 5 }])
  await it.beat(head)
  await log.page(0, 10)
  await log.leave(it.origin)
  await it.link.serverInfo()
  await it.hears()
  assert.equal(await server.cli('ACL', 'LOG'), '')
  const used = new Set(
    [...(await server.cli('INFO', 'commandstats')).matchAll(/cmdstat_([^:]+):/g)].map(([, name]) => name),
  )
  const allowed = user.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1))
  // Asked only where INFO does not say it.
  const idle = allowed.filter((name) => !used.has(name) && name !== 'config|get')
  assert.deepEqual(idle, [])
})

const quoted = [
  'refused',
  'auth_required',
  'wrong_password',
  'no_permission',
  'tls_name',
  'tls_untrusted',
  'tls_expired',
  'tls_client_certificate',
  'tls_not_offered',
  'tls_required',
  'timeout',
  'readonly',
  'not_cluster',
  'is_cluster',
  'sentinel',
] as const satisfies readonly RedisFaultKind[]

for (const kind of quoted) {
  test(`the page quotes ${kind} in the program's own words`, () => {
    assert.ok(text.includes(`\`${kind}\``) || text.includes(`"reason":"${kind}"`), 'its code')
    assert.ok(text.includes(fault(kind).message), 'its words')
  })
}

test('every link leads somewhere', () => {
  const anchors = new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target)
  assert.ok(links.length > 20)
  for (const target of links) {
    if (target.startsWith('#')) assert.ok(anchors.has(target.slice(1)), target)
    else assert.ok(existsSync(new URL(target.replace(/#.*/, ''), file)), target)
  }
})
