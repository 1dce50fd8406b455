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

test('our own pages are for no other origin (C14)', async () => {
  const client = createHttpClient()
  for (const path of [
    '/oauth2/sign_in',
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

test('who is logged in is told to scripts of listed origins, whatever the answer, and to no others', async () => {
  const client = createHttpClient()
  for (const path of ['/oauth2/userinfo', '/oauth2/session']) {
    for (const [who, method] of [
      [{ cookie }, 'GET'],
      [{}, 'GET'],
      [{}, 'DELETE'],
    ] as const) {
      const ask = (origin: string | readonly string[]) =>
        client.send(`${app.url}${path}`, { method, headers: { ...script(origin), ...who } })
      assert.deepEqual(corsOf(await ask(page)), readable, `${method} ${path}`)
      for (const origin of ['https://app.example.com.evil', 'null', '*', [page, page]])
        assert.deepEqual(corsOf(await ask(origin)), { vary: 'Origin' }, `${method} ${path} ${String(origin)}`)
    }
    const navigation = { ...browserHeaders, origin: page, cookie }
    assert.deepEqual(corsOf(await client.send(`${app.url}${path}`, { headers: navigation })), {})
  }
})

test('a browser that asks before a script’s request to these two is told what a listed origin may do', async () => {
  const ask = (path: string, origin: string, more = {}) =>
    createHttpClient().send(`${app.url}${path}`, {
      method: 'OPTIONS',
      headers: { ...script(origin), 'access-control-request-method': 'POST', ...more },
    })
  const allowed = await ask('/oauth2/session', page)
  assert.equal(allowed.status, 204)
  assert.deepEqual(corsOf(allowed), {
    ...readable,
    'access-control-allow-methods': 'GET, HEAD, POST',
    'access-control-allow-headers': 'Content-Type, X-Requested-With',
    'access-control-max-age': '600',
  })
  assert.equal((await ask('/oauth2/userinfo', page)).headers['access-control-allow-methods'], 'GET, HEAD')
  for (const refused of [
    await ask('/oauth2/session', 'https://app.example.com.evil'),
    await ask('/oauth2/session', page, { 'access-control-request-method': '' }),
    await ask('/oauth2/session', page, { 'access-control-request-method': 'POST, GET' }),
    await ask('/oauth2/sign_in', page),
    await ask('/oauth2/logout', page),
  ]) {
    assert.equal(refused.status, 405)
    assert.equal(refused.headers['access-control-allow-methods'], undefined)
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
