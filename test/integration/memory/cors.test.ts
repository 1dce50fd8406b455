// A page of another origin that calls an API behind us: which of our answers it may read.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { freePort } from '../../../deploy/demo/listen.ts'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import { browserHeaders, scriptHeaders, startTestApp } from '../../fixtures/in-process-app.ts'

const page = 'https://app.example.com'
const cors = { allowedOrigins: [page] }
const rules = [
  { path: '/never', policy: 'deny' },
  { path: '/admin', policy: 'login', require: { groups: ['admins'] } },
]
const app = await startTestApp({ after }, { config: { cors, rules, excludedURLs: ['/public'] } })
app.provider.person = { sub: 'alice', email: 'alice@example.com', groups: ['staff'] }
const cookie = await app.login()

const script = (origin: string | readonly string[]) => ({ ...scriptHeaders, 'sec-fetch-site': 'cross-site', origin })
const corsOf = ({ headers }: Reply) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control') || name === 'vary'))
const readable = {
  vary: 'Origin',
  'access-control-allow-origin': page,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'Retry-After, WWW-Authenticate, X-Request-Id',
}

for (const contract of contractNames) {
  test(`${contract}: a listed origin’s script may read a 401 and both kinds of 403 (C14)`, async () => {
    const login = await app.ask(contract, { uri: '/api', headers: script(page) })
    assert.equal(login.status, 401)
    assert.ok(login.headers['www-authenticate'])
    assert.deepEqual(corsOf(login), readable)
    for (const uri of ['/never', '/admin']) {
      const denied = await app.ask(contract, { uri, cookie, headers: script(page) })
      assert.equal(denied.status, 403)
      assert.deepEqual(corsOf(denied), readable)
    }
  })

  test(`${contract}: nobody else’s may (C14)`, async () => {
    for (const origin of ['https://app.example.com.evil', 'null', '*', 'https://APP.example.com', [page, page]]) {
      const reply = await app.ask(contract, { uri: '/api', headers: script(origin) })
      assert.equal(reply.status, 401)
      assert.deepEqual(corsOf(reply), { vary: 'Origin' }, String(origin))
    }
    assert.deepEqual(corsOf(await app.ask(contract, { uri: '/api', headers: scriptHeaders })), { vary: 'Origin' })
  })

  test(`${contract}: an allowed answer is the application’s: it says nothing of origins (C14)`, async () => {
    for (const ask of [{ uri: '/api', cookie }, { uri: '/public' }]) {
      const reply = await app.ask(contract, { ...ask, headers: script(page) })
      assert.ok(reply.status < 300)
      assert.deepEqual(corsOf(reply), {})
    }
  })
}

test('a navigation’s answer is for no script (C14)', async () => {
  for (const uri of ['/api', '/never']) {
    const reply = await app.ask('traefik', { uri, headers: { ...browserHeaders, origin: page } })
    assert.deepEqual(corsOf(reply), {})
  }
})

test('our own pages and who is logged in are for no other origin (C14)', async () => {
  const client = createHttpClient()
  for (const path of [
    '/oauth2/userinfo',
    '/oauth2/callback',
    '/oauth2/start?rd=/',
    '/oauth2/nothing',
    '/nothing',
    '/healthz',
  ]) {
    for (const who of [{}, { cookie }]) {
      const reply = await client.send(`${app.url}${path}`, { headers: { ...script(page), ...who } })
      assert.deepEqual(corsOf(reply), {}, `${path}: ${reply.status}`)
    }
  }
})

test('without the option nothing is said to anybody (C14)', async (t) => {
  const plain = await startTestApp(t)
  assert.deepEqual(corsOf(await plain.ask('traefik', { uri: '/api', headers: script(page) })), {})
})

test('in reverse-proxy mode a listed origin’s script may read our 401, 404 and 502 (C14)', async (t) => {
  const upstreams = [
    { host: 'a.example', url: `http://127.0.0.1:${await freePort()}`, rules: [{ path: '/public', policy: 'public' }] },
  ]
  const proxy = await startTestApp(t, { config: { cors, upstreams } })
  const ask = (host: string, path: string, origin: string) =>
    createHttpClient().send(`${proxy.url}${path}`, { headers: { ...script(origin), host } })
  for (const [host, path, status] of [
    ['a.example', '/api', 401],
    ['b.example', '/api', 404],
    ['a.example', '/public', 502],
  ] as const) {
    const reply = await ask(host, path, page)
    assert.equal(reply.status, status)
    assert.deepEqual(corsOf(reply), readable)
    assert.deepEqual(corsOf(await ask(host, path, 'https://app.example.com.evil')), { vary: 'Origin' })
  }
})
