// The browser's question before a script's request (Fetch standard, 4.8) to a path that needs a login: passed on only where a rule says
// so, and only if it is one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { startTestApp, type OriginalAsk } from '../../fixtures/in-process-app.ts'
import { load, problemsOf } from '../../config/load-fixture.ts'

const page = 'https://spa.example.com'
const cors = { allowedOrigins: [page] }
const rules = [
  { path: '/api/never', policy: 'deny' },
  { path: '/api/Strict' },
  { path: '/api', preflight: 'pass', require: { groups: ['staff'] } },
]
const app = await startTestApp({ after }, { config: { cors, rules } })
const cookie = await app.login()

const preflight = { origin: page, 'access-control-request-method': 'DELETE', accept: '*/*' }
const ask = (given: OriginalAsk = {}) =>
  app.ask('traefik', { uri: '/api/1', method: 'OPTIONS', ...given, headers: { ...preflight, ...given.headers } })

for (const contract of contractNames) {
  test(`${contract}: a preflight of a listed origin is passed on, and names nobody`, async () => {
    const reply = await app.ask(contract, { uri: '/api/1', method: 'OPTIONS', headers: preflight })
    assert.equal(reply.status, contract === 'oauth2-proxy' ? 202 : 200)
    assert.equal(reply.headers['x-auth-request-user'], '')
    assert.equal(reply.headers['access-control-allow-origin'], undefined, 'the answer is the application’s')
  })
}

const others: [name: string, given: OriginalAsk, status: number][] = [
  ['of another origin', { headers: { origin: 'https://spa.example.com.evil' } }, 401],
  ['of an opaque origin', { headers: { origin: 'null' } }, 401],
  ['of two origins', { headers: { origin: [page, page] } }, 401],
  ['that asks for no method', { headers: { 'access-control-request-method': '' } }, 401],
  ['that asks for two methods', { headers: { 'access-control-request-method': 'PUT, GET' } }, 401],
  ['with the method of a request', { method: 'POST' }, 401],
  ['that only HEAD stands for', { method: 'HEAD' }, 401],
  ['that an application would take for another method', { headers: { 'x-http-method-override': 'DELETE' } }, 401],
  ['the same, as PHP and WSGI read it', { headers: { x_http_method_override: 'DELETE' } }, 401],
  ['the same, in other words', { headers: { 'x-method-override': 'DELETE' } }, 401],
  ['with a token', { headers: { authorization: 'Bearer x' } }, 401],
  ['with a cookie, as no browser sends it', { cookie: 'foregate_session=made-up' }, 401],
  ['of somebody who is logged in, and in no group', { cookie }, 403],
  ['to a path without the option', { uri: '/' }, 401],
  ['to a path that another rule takes in another spelling', { uri: '/api/strict' }, 401],
  ['to a path that is closed', { uri: '/api/never' }, 403],
  ['to a path that two readers read differently', { uri: '/api/%2e%2e/1' }, 403],
]
for (const [name, given, status] of others) {
  test(`a preflight ${name}: ${status}`, async () => {
    assert.equal((await ask(given)).status, status)
  })
}

test('one whose method nobody said is not passed on', async (t) => {
  const config = { cors, rules, forwardAuth: { oauth2ProxyDialect: 'nginx' } }
  const nginx = await startTestApp(t, { config })
  const headers = { ...preflight, host: 'app.example.com', 'x-forwarded-uri': '/api/1' }
  const reply = await createHttpClient().send(`${nginx.url}/oauth2/auth`, { method: 'OPTIONS', headers })
  assert.equal(reply.status, 401)
})

test('in reverse-proxy mode the application answers it, and nothing else without a login', async (t) => {
  const reached: string[] = []
  const server = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`)
    response.setHeader('access-control-allow-origin', page).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy = await startTestApp(t, { config: { cors, upstreams: [{ url, rules: [{ preflight: 'pass' }] }] } })
  const send = (method: string, headers: Record<string, string>) =>
    createHttpClient().send(`${proxy.url}/api`, { method, headers })
  const passed = await send('OPTIONS', preflight)
  assert.deepEqual([passed.status, passed.headers['access-control-allow-origin']], [200, page])
  assert.equal((await send('DELETE', preflight)).status, 401)
  assert.equal((await send('OPTIONS', { ...preflight, 'content-length': '3' })).status, 401)
  assert.deepEqual(reached, ['OPTIONS /api'])
})

test('it needs somebody who is listed, and a rule that asks for a login', () => {
  assert.match(problemsOf({ text: 'rules: [{ path: /a, preflight: pass }]' })[0] ?? '', /needs cors\.allowedOrigins/)
  const text = `cors: { allowedOrigins: [${page}] }\nrules: [{ path: /a, policy: deny, preflight: pass }]`
  assert.match(problemsOf({ text })[0] ?? '', /means nothing with policy: deny/)
  assert.equal(load({ text: text.replace('policy: deny, ', '') }).config.access.rules[0]?.passesPreflight, true)
})
