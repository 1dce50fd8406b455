import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { checkConnections } from '../../../src/check.ts'
import { createPlatform } from '../../../src/runtime.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { createMetrics } from '../../../src/telemetry/prometheus.ts'
import { KEY } from '../../config/load-fixture.ts'
import { redisMissing, startRedis, startSentinel } from '../../fixtures/redis.ts'
import type { RedisServer } from '../../fixtures/redis.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** What `check --connect` says of Redis. */
async function said(redis: string): Promise<string> {
  const { config } = loadConfig({
    text: `providerURL: https://127.0.0.1:1\nclientID: a\nclientAuthMethod: none\nsessionEncryptionKey: ${KEY}\nproviderTimeout: 100ms\nredis: { enabled: true, ${redis} }`,
    env: {},
    readFile: () => '',
  })
  const { lines } = await checkConnections(config, {
    ...createPlatform(),
    logger: silent,
    metrics: createMetrics({ processMetrics: false }),
  })
  return lines.filter((line) => line.startsWith('redis: ')).join('\n')
}

describe('Redis as the operator names it', { skip: redisMissing }, () => {
  test('a Unix socket and a database past 15 are reached (C14)', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'foregate-socket-'))
    const path = join(directory, 'redis.sock')
    const server: RedisServer = await startRedis({ args: ['--unixsocket', path, '--databases', '64'] })
    t.after(async () => {
      await server.close()
      rmSync(directory, { recursive: true })
    })
    assert.match(await said(`address: "${path}"`), /^redis: reached/)
    assert.match(await said(`url: "unix://${path}?db=40", databases: 64`), /^redis: reached/)
    assert.match(await said(`address: "${path}.away"`), /^redis: connection refused or host unreachable/)
  })

  test('an address that is a Sentinel’s is named, and so is the Sentinels’ own password (D9)', async (t) => {
    const group = await startSentinel({ replicas: 0, sentinels: 1, watchers: { password: 'sentinels-own' } })
    t.after(() => group.close())
    const { host, port } = group.sentinels[0] ?? { host: '', port: 0 }
    const addresses = JSON.stringify(group.sentinels.map((one) => `${one.host}:${one.port}`))
    const name = `masterName: ${group.masterName}, addresses: ${addresses}`
    for (const password of ['', ', password: wrong-one']) {
      assert.match(await said(`sentinel: { ${name}${password} }`), /set redis\.sentinel\.password/)
    }
    assert.match(
      await said(`address: "${host}:${port}", password: sentinels-own`),
      /this is a Sentinel.*redis\.sentinel\.addresses/,
    )
  })
})
