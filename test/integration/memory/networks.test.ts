// Rules by the client's network over a real port: through every contract and in reverse-proxy mode, with what clients make up.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { scriptHeaders, sendRaw, startTestApp } from '../../fixtures/in-process-app.ts'

const rules = [
  { path: '/office', networks: ['192.0.2.0/24', '2001:db8::/32'], policy: 'public' },
  { path: '/banned', networks: ['198.51.100.0/24'], policy: 'deny' },
  { path: '/banned', policy: 'public' },
  { path: '/inside', networks: ['192.0.2.0/24'], policy: 'login' },
  { path: '/inside', policy: 'deny' },
  { path: '/easy', networks: ['192.0.2.0/24'], policy: 'login', require: { groups: ['staff'] } },
  { path: '/easy', policy: 'login', require: { groups: ['ops'] } },
  // An upper bound of what a proxy's address could be: the networks of containers.
  { path: '/lan', networks: ['10.0.0.0/8', '172.16.0.0/12', '126.0.0.0/7'], policy: 'public' },
]

const app = await startTestApp({ after }, { config: { rules } })
app.provider.person = { sub: 'alice', email: 'alice@example.com', groups: ['staff'] }
const cookie = await app.login()

const from = (forwarded: string | undefined, more = {}) => ({
  ...scriptHeaders,
  ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }),
  ...more,
})

const strangers: [name: string, headers: Record<string, string>][] = [
  ['another address', from('203.0.113.9')],
  ['an address made up in front of the real one', from('192.0.2.7, 203.0.113.9')],
  ['many of them', from(`${'192.0.2.7, '.repeat(50)}203.0.113.9`)],
  ['X-Real-IP made up', from('203.0.113.9', { 'x-real-ip': '192.0.2.7' })],
  ['X-Forwarded-For made up, where the proxy sets X-Real-IP', from('192.0.2.7', { 'x-real-ip': '203.0.113.9' })],
  ['other words for it', from('203.0.113.9', { forwarded: 'for=192.0.2.7', 'x-client-ip': '192.0.2.7' })],
  ['no address at all', from(undefined)],
  ['something that is none', from('192.0.2.7:x')],
  ['a name', from('unknown')],
  ['a proxy’s address', from('127.0.0.1')],
  ['a mapped proxy’s address', from('::ffff:127.0.0.1')],
]

for (const contract of contractNames) {
  const allowed = contract === 'oauth2-proxy' ? 202 : 200

  test(`${contract}: a page that is public in a network is so for its addresses alone (C14)`, async () => {
    for (const forwarded of [
      '192.0.2.7',
      '192.0.2.7:51008',
      '::ffff:192.0.2.7',
      '[2001:db8::9]:443',
      '192.0.2.7, 127.0.0.1',
    ])
      assert.equal((await app.ask(contract, { uri: '/office', headers: from(forwarded) })).status, allowed, forwarded)
    for (const [name, headers] of strangers) {
      assert.equal((await app.ask(contract, { uri: '/office', headers })).status, 401, name)
      assert.equal((await app.ask(contract, { uri: '/lan', headers })).status, 401, name)
    }
  })

  test(`${contract}: a network is banned, and so is whoever nobody knows (C14)`, async () => {
    const statusOf = async (forwarded: string | undefined, more = {}) =>
      (await app.ask(contract, { uri: '/banned', headers: from(forwarded, more) })).status
    assert.equal(await statusOf('203.0.113.9'), allowed)
    for (const forwarded of ['198.51.100.9', '::ffff:198.51.100.9', '203.0.113.9, 198.51.100.9:1', undefined, '', 'x'])
      assert.equal(await statusOf(forwarded), 403, forwarded)
    assert.equal(await statusOf('198.51.100.9', { 'x-real-ip': '203.0.113.9' }), 403)
  })

  test(`${contract}: what a session was allowed in one network says nothing about another (C14)`, async () => {
    const statusOf = async (uri: string, forwarded: string | undefined) =>
      (await app.ask(contract, { uri, cookie, headers: from(forwarded) })).status
    // Each twice, so that both answers are remembered ones the second time.
    for (let round = 0; round < 2; round++) {
      assert.equal(await statusOf('/inside', '192.0.2.7'), allowed)
      assert.equal(await statusOf('/inside', '203.0.113.9'), 403)
      assert.equal(await statusOf('/inside', undefined), 403)
      assert.equal(await statusOf('/easy', '192.0.2.7'), allowed)
      assert.equal(await statusOf('/easy', '203.0.113.9'), 403)
      assert.equal(await statusOf('/easy', undefined), 403)
    }
  })
}

test('in reverse-proxy mode the connection’s own address counts, and headers only from a trusted proxy (C14)', async (t) => {
  const application = createServer((_request, response) => response.end('the application'))
  t.after(() => application.close())
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  const upstreams = [
    {
      url: `http://127.0.0.1:${(application.address() as AddressInfo).port}`,
      rules: [{ networks: ['127.0.0.0/8'], policy: 'public' }],
    },
  ]
  const get = async (port: number, headers: string) =>
    (await sendRaw(port, `GET /x HTTP/1.1\r\nHost: a.example\r\n${headers}Connection: close\r\n\r\n`)).status

  const exposed = await startTestApp(t, { config: { trustedProxies: ['192.0.2.1'], upstreams } })
  assert.equal(await get(exposed.port, ''), 200)
  // A stranger’s headers change nothing.
  assert.equal(await get(exposed.port, 'X-Forwarded-For: 203.0.113.9\r\n'), 200)

  const office = [{ ...upstreams[0], rules: [{ networks: ['192.0.2.0/24'], policy: 'public' }] }]
  const closed = await startTestApp(t, { config: { trustedProxies: ['203.0.113.1'], upstreams: office } })
  assert.equal(await get(closed.port, 'X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\n'), 401)

  const behind = await startTestApp(t, { config: { upstreams: office } })
  assert.equal(await get(behind.port, 'X-Forwarded-For: 192.0.2.7\r\n'), 200)
  assert.equal(await get(behind.port, 'X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 203.0.113.9\r\n'), 401)
  assert.equal(await get(behind.port, ''), 401)
})

test('a stranger who asks a decision endpoint gets no answer by any address (C14)', async (t) => {
  const strict = await startTestApp(t, { config: { trustedProxies: ['203.0.113.1'], rules } })
  const reply = await createHttpClient().send(`${strict.url}/auth/traefik`, {
    headers: {
      ...from('192.0.2.7'),
      'x-forwarded-method': 'GET',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'a.example',
      'x-forwarded-uri': '/office',
    },
  })
  assert.equal(reply.status, 403)
})
