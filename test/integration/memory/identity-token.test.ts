// The signed identity token, as an application gets it and verifies it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { appOrigin, startTestApp } from '../../fixtures/in-process-app.ts'

async function startApplication(t: { after(task: () => void): unknown }) {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers)
    response.end('ok')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** In every spelling that an application may read as ours. */
const forged = {
  'x-foregate-jwt': 'forged',
  X_Foregate_Jwt: 'forged',
  'x-foregate_jwt': 'forged',
  'x.foregate.jwt': 'forged',
}
const spellings = (headers: IncomingHttpHeaders = {}) =>
  Object.entries(headers).filter(([name]) => name.replace(/[^a-z]/g, '') === 'xforegatejwt')

test('an application behind reverse-proxy mode gets a token of its own, verified by the keys at /oauth2/jwks', async (t) => {
  const [one, two] = [await startApplication(t), await startApplication(t)]
  const app = await startTestApp(t, {
    config: {
      identityToken: { enabled: true, issuer: 'https://auth.example.com' },
      rules: [{ path: '/public', policy: 'public' }],
      upstreams: [{ url: one.url }, { url: two.url, path: '/two' }],
    },
  })
  const client = createHttpClient()
  await app.login(client)
  await client.send(`${app.url}/x`, { headers: forged })
  await client.send(`${app.url}/two`, { headers: forged })
  const [[, token] = []] = spellings(one.seen[0])
  assert.deepEqual([spellings(one.seen[0]).length, spellings(two.seen[0]).length], [1, 1])
  const keys = createRemoteJWKSet(new URL(`${app.url}/oauth2/jwks`))
  const { payload } = await jwtVerify(String(token), keys, { audience: one.url, issuer: 'https://auth.example.com' })
  assert.deepEqual([payload.sub, payload['email']], ['alice', 'alice@example.com'])
  const [[, other] = []] = spellings(two.seen[0])
  await jwtVerify(String(other), keys, { audience: two.url })
  await assert.rejects(jwtVerify(String(other), keys, { audience: one.url }))

  // Nobody is named on a public page that nobody is logged in for; not even by the client.
  await createHttpClient().send(`${app.url}/public`, { headers: forged })
  assert.deepEqual(spellings(one.seen.at(-1)), [['x-foregate-jwt', '']])
  // And a person is, there as well.
  await client.send(`${app.url}/public`)
  assert.match(String(spellings(one.seen.at(-1))[0]?.[1]), /^ey/)
})

test('without identityToken no copy of a client’s gets through, and there are no keys', async (t) => {
  const application = await startApplication(t)
  const app = await startTestApp(t, { config: { upstreams: [{ url: application.url }] } })
  const client = createHttpClient()
  await app.login(client)
  await client.send(`${app.url}/x`, { headers: forged })
  assert.deepEqual(spellings(application.seen[0]), [])
  assert.equal((await client.send(`${app.url}/oauth2/jwks`)).status, 404)
})

test('with onAuth each answer of /auth has the header: a token for the application’s origin, or nothing', async (t) => {
  const app = await startTestApp(t, {
    config: { identityToken: { enabled: true, onAuth: true }, rules: [{ path: '/public', policy: 'public' }] },
  })
  const cookie = await app.login()
  const { body, headers } = await createHttpClient().send(`${app.url}/oauth2/jwks`)
  assert.match(String(headers['cache-control']), /max-age=3600/)
  const keys = createLocalJWKSet(JSON.parse(body))
  for (const contract of ['traefik', 'nginx', 'caddy', 'haproxy', 'envoy'] as const) {
    const answer = await app.ask(contract, { cookie })
    assert.equal(answer.status, 200)
    const token = String(answer.headers['x-foregate-jwt'])
    const { payload } = await jwtVerify(token, keys, { audience: appOrigin, issuer: 'foregate' })
    assert.equal(payload.sub, 'alice')
    assert.equal((await app.ask(contract, { cookie })).headers['x-foregate-jwt'], token, 'the same one, for a while')
    const anonymous = await app.ask(contract, { uri: '/public' })
    assert.deepEqual([anonymous.status, anonymous.headers['x-foregate-jwt']], [200, ''])
  }
  const other = await app.ask('traefik', { cookie, host: 'other.example.com' })
  await assert.rejects(jwtVerify(String(other.headers['x-foregate-jwt']), keys, { audience: appOrigin }))
  // Any script of the site can read what is answered there.
  const readable = await app.ask('oauth2-proxy', { cookie })
  assert.deepEqual([readable.status, readable.headers['x-foregate-jwt']], [202, ''])
  // A refusal says nothing, and the keys are no "allow" for a middleware.
  assert.equal((await app.ask('traefik')).headers['x-foregate-jwt'], undefined)
  assert.equal((await app.ask('traefik', { cookie, uri: '/oauth2/jwks' })).status, 404)
})

test('without onAuth answers of /auth are as they were', async (t) => {
  const app = await startTestApp(t, { config: { identityToken: { enabled: true } } })
  const answer = await app.ask('traefik', { cookie: await app.login() })
  assert.deepEqual([answer.status, 'x-foregate-jwt' in answer.headers], [200, false])
})

test('no token is ever logged', async (t) => {
  const application = await startApplication(t)
  const app = await startTestApp(t, {
    config: { identityToken: { enabled: true }, upstreams: [{ url: application.url }] },
  })
  const client = createHttpClient()
  await app.login(client)
  await client.send(`${app.url}/x`)
  const token = String(application.seen[0]?.['x-foregate-jwt'])
  assert.match(token, /^ey/)
  assert.ok(!app.written.join('').includes(token.split('.')[2] ?? 'x'))
})
