// The process as an operator meets it: what it prints and how it ends.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../deploy/demo/listen.ts'
import { REQUIRED } from './config/load-fixture.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** A provider and a Redis where nobody listens. */
const environment = async () => ({
  ...REQUIRED,
  PROVIDER_URL: `http://127.0.0.1:${await freePort()}`,
  REDIS_ENABLED: 'true',
  REDIS_ADDRESS: `127.0.0.1:${await freePort()}`,
  LISTEN: `127.0.0.1:${await freePort()}`,
  DRAIN_DELAY: '0',
})

test('check --connect says each thing once: a line for the provider, one for Redis, and none of the log', async () => {
  const run = promisify(execFile)(process.execPath, [main, 'check', '--connect'], { env: await environment() })
  await assert.rejects(run, ({ code, stdout, stderr }) => {
    assert.equal(code, 1)
    assert.deepEqual(
      String(stdout)
        .split('\n')
        .map((line) => line.split(':')[0]),
      ['provider', 'redis', ''],
    )
    assert.equal(stderr, '')
    return true
  })
})

test('the first line of the log says which version starts, with which configuration', async () => {
  const child = spawn(process.execPath, [main], { env: await environment() })
  const [line] = await once(createInterface(child.stdout), 'line')
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const { event, version, config, msg } = JSON.parse(String(line))
  assert.match(version, /^\d+\.\d+\.\d+$/)
  assert.deepEqual([event, config, msg], ['starting', 'environment', `foregate ${version} starts`])
  assert.deepEqual(await exited, [0, null])
})

test('/metrics says which version runs, on which node', async (t) => {
  const env = await environment()
  const child = spawn(process.execPath, [main], { env })
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGTERM')
    await exited
  })
  for await (const line of createInterface(child.stdout)) if (line.includes('"listening"')) break
  const text = await (await fetch(`http://${env.LISTEN}/metrics`)).text()
  assert.match(text, /^foregate_build_info\{version="\d+\.\d+\.\d+",node="v\d+\.[\d.]+"\} 1$/m)
})

test('foregate sessions without an admin port in the configuration says what to set', async () => {
  const run = promisify(execFile)(process.execPath, [main, 'sessions', 'list'], { env: await environment() })
  await assert.rejects(run, ({ code, stdout, stderr }) => {
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^foregate: the configuration has no admin port: set admin\.token/)
    return true
  })
})

for (const [option, variable, more] of [
  ['listen', 'LISTEN', {}],
  ['metrics.listen', 'METRICS_LISTEN', {}],
  ['admin.listen', 'ADMIN_LISTEN', { ADMIN_TOKEN: 'Xq3-vB8_nM2.kL7/zR5+tY9wPcD1hJ4sG6f' }],
] as const) {
  test(`a port that is in use is told with its option (${option}), its address and what would be right`, async (t) => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    t.after(() => taken.close())
    const { port } = taken.address() as AddressInfo
    const env = { ...(await environment()), ...more, [variable]: `127.0.0.1:${port}` }
    await assert.rejects(promisify(execFile)(process.execPath, [main], { env }), ({ code, stdout, stderr }) => {
      assert.equal(code, 1)
      const words = `${option}: cannot listen on 127.0.0.1:${port} (EADDRINUSE): the port is in use`
      assert.ok(String(stderr).includes(words), String(stderr))
      const line = String(stdout)
        .split('\n')
        .find((text) => text.includes('start_failed'))
      assert.ok(JSON.parse(line ?? '').err.message.startsWith(words))
      return true
    })
  })
}
