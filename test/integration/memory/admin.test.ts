// The admin port as a part of the service: there when a credential is configured, closed with it, and nothing of it on other ports.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../../../deploy/demo/listen.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { scriptHeaders, startTestApp } from '../../fixtures/in-process-app.ts'

const token = 'Xq3-vB8_nM2.kL7/zR5+tY9wPcD1hJ4sG6f'
const authorization = `Bearer ${token}`

async function started(t: { after(task: () => Promise<void>): unknown }) {
  const listen = `127.0.0.1:${await freePort()}`
  const app = await startTestApp(t, { config: { admin: { listen, token } } })
  const ask = (path: string, method = 'GET', body?: object) => {
    const text = body && JSON.stringify(body)
    return createHttpClient().send(`http://${listen}${path}`, {
      method,
      headers: { authorization, ...(text !== undefined && { 'content-type': 'application/json' }) },
      ...(text !== undefined && { body: text }),
    })
  }
  return { app, ask }
}

test('an operator ends a session that began by a login, and its browser has to log in', async (t) => {
  const { app, ask } = await started(t)
  const cookie = await app.login()
  const isIn = async () => (await app.ask('traefik', { cookie, headers: scriptHeaders })).status === 200
  assert.equal(await isIn(), true)
  const { sessions } = (await ask('/v1/sessions')).json() as { sessions: { user: string }[] }
  assert.equal(sessions.length, 1)
  const revoked = await ask('/v1/sessions/revoke', 'POST', { user: sessions[0]?.user })
  assert.deepEqual(revoked.json(), { ended: 1, complete: true })
  assert.equal(await isIn(), false)
  assert.equal(await app.metric('foregate_admin_requests_total{action="revoke",outcome="done"}'), 1)
  assert.equal(await app.metric('foregate_admin_requests_total{action="revoke",outcome="incomplete"}'), 0)
  const [, ticket = ''] = cookie.split('=')
  for (const secret of [token, ticket.slice(22), ticket]) {
    assert.ok(!app.written.some((line) => line.includes(secret)))
  }
})

test('nothing of it is on the main port, and it closes with the service', async (t) => {
  const { app, ask } = await started(t)
  for (const path of ['/v1/sessions', '/oauth2/v1/sessions']) {
    const { status } = await createHttpClient().send(app.url + path, { headers: { authorization } })
    assert.equal(status, 404)
  }
  for (const path of ['/metrics', '/healthz', '/oauth2/sessions', '/auth/traefik'])
    assert.equal((await ask(path)).status, 404)
  await app.stop()
  await assert.rejects(ask('/v1/sessions'), { code: 'ECONNREFUSED' })
})

test('session.maxPerUser ends the oldest of one user at a login', async (t) => {
  const app = await startTestApp(t, { config: { session: { maxPerUser: 2 } } })
  const cookies: string[] = []
  for (let at = 0; at < 3; at++) {
    cookies.push(await app.login())
    app.advance(1_000)
  }
  const statuses = await Promise.all(
    cookies.map(async (cookie) => (await app.ask('traefik', { cookie, headers: scriptHeaders })).status),
  )
  assert.deepEqual(statuses, [401, 200, 200])
})
