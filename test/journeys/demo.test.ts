// `make demo`, as a visitor meets it: no Redis, no network, reverse-proxy mode.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isListening, startChild, untilReady, type Child } from '../../deploy/demo/children.ts'
import { choosePerson, createHttpClient } from '../fixtures/http-client.ts'

const demo = fileURLToPath(new URL('../../deploy/demo/demo.ts', import.meta.url))

describe('the demo', () => {
  let child: Child
  let url = ''
  before(async () => {
    child = startChild(process.execPath, [demo])
    await untilReady(child, 'demo', async () => child.lines.some((line) => line.includes('Ctrl-C')))
    url = /http:\/\/localhost:\d+/.exec(child.lines.join('\n'))?.[0] ?? ''
  })
  after(() => child?.stop())

  test('lets alice in, shows her name, and keeps bob out of /admin', async () => {
    const alice = createHttpClient()
    const landed = await choosePerson(alice, await alice.navigate(`${url}/admin?x=1`), 'alice')
    assert.equal(landed.url, `${url}/admin?x=1`)
    assert.match(landed.body, /alice@demo\.test/)
    assert.match((await alice.navigate(`${url}/`)).body, /Hello, Alice Ångström/)

    const bob = createHttpClient()
    const refused = await choosePerson(bob, await bob.navigate(`${url}/admin`), 'bob')
    assert.equal(refused.status, 403)
  })

  test('shows /public to everybody, and never a session cookie to the application', async () => {
    const anybody = createHttpClient()
    assert.equal((await anybody.navigate(`${url}/public`)).status, 200)
    const alice = createHttpClient()
    await choosePerson(alice, await alice.navigate(`${url}/`), 'alice')
    const seen = await alice.send(`${url}/api/whoami`, {
      headers: { 'x-auth-request-user': 'mallory', x_auth_request_user: 'mallory' },
    })
    assert.equal(seen.status, 200)
    assert.doesNotMatch(seen.body, /mallory|foregate_/)
  })

  test('names the address where its state and its figures are', async () => {
    const printed = child.lines.join('\n')
    const found = async (path: string) => (await fetch(new RegExp(`http\\S+${path}`).exec(printed)?.[0] ?? '')).text()
    assert.match(await found('/healthz'), /"status":"healthy"/)
    assert.match(await found('/metrics'), /^foregate_auth_decisions_total/m)
  })

  test('prints nothing but its welcome, and stops with everything it started on Ctrl-C', async () => {
    assert.deepEqual(
      child.lines.filter((line) => /warning|error|"level"/i.test(line)),
      [],
    )
    const ports = [...child.lines.join('\n').matchAll(/:(\d{4,5})\b/g)].map((match) => Number(match[1]))
    child.kill('SIGINT')
    assert.equal(await child.exited, 0)
    for (const port of new Set(ports)) assert.equal(await isListening(port), false, `port ${port} is free again`)
  })
})
