// Who may ask at the admin port.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createRateLimits } from '../../src/cache/rate-limits.ts'
import { createKeyedHash } from '../../src/sealing.ts'
import { load } from '../config/load-fixture.ts'
import { encryptionKey } from '../session/world.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { startAdmin, token } from './fixture.ts'

const revokeAll = { method: 'POST', body: { all: true } } as const

describe('the token', () => {
  const wrong: [name: string, headers: Record<string, string>][] = [
    ['none', {}],
    ['another one', { authorization: `Bearer ${token.replace('X', 'Y')}` }],
    ['its beginning', { authorization: `Bearer ${token.slice(0, -1)}` }],
    ['more than it', { authorization: `Bearer ${token}x` }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: `Basic ${Buffer.from(`admin:${token}`).toString('base64')}` }],
    ['two of them', { authorization: `Bearer ${token} ${token}` }],
    ['a cookie', { cookie: `token=${token}` }],
    ['another header', { 'x-admin-token': token }],
  ]
  for (const [name, headers] of wrong) {
    test(`${name} is 401, whatever is asked, and nothing is done`, async (t) => {
      const { world, ask } = await startAdmin(t)
      const ticket = await world.login()
      for (const path of ['/v1/sessions', '/nowhere', '/v1/sessions/revoke']) {
        const { status, body, headers: answered } = await ask(path, { token: undefined, headers })
        assert.deepEqual([status, body.error], [401, 'unauthorized'])
        assert.match(String(answered['www-authenticate']), /^Bearer/)
        assert.doesNotMatch(body.message, /Xq3/)
      }
      assert.equal((await ask('/v1/sessions/revoke', { ...revokeAll, token: undefined, headers })).status, 401)
      assert.notEqual(world.sessions.near(ticket), undefined)
    })
  }

  test('the scheme’s letter case does not matter, the token’s does', async (t) => {
    const { ask } = await startAdmin(t)
    const by = (authorization: string) => ask('/v1/sessions', { token: undefined, headers: { authorization } })
    assert.equal((await by(`bearer ${token}`)).status, 200)
    assert.equal((await by(`Bearer ${token.toLowerCase()}`)).status, 401)
  })

  test('whoever is wrong too often is told to wait, fills no log, and does not lock the operator out', async (t) => {
    const world = (await startAdmin(t)).world
    const { admin: failureLimit } = createRateLimits({
      cache: world.cache,
      hash: createKeyedHash([encryptionKey], 'rate'),
      limits: load({}).config.rateLimits,
      metrics: world.metrics,
      logger: world.log,
      clock: world.time.clock,
    })
    const { ask } = await startAdmin(t, { world, failureLimit })
    const statuses: number[] = []
    for (let at = 0; at < 40; at++) statuses.push((await ask('/v1/sessions', { token: 'x' })).status)
    assert.deepEqual(
      statuses,
      Array.from({ length: 40 }, (_, at) => (at < 30 ? 401 : 429)),
    )
    assert.equal((await ask('/v1/sessions', { token: 'x' })).headers['retry-after'], '2')
    assert.equal((await ask('/v1/sessions')).status, 200)
    assert.equal(world.log.lines.filter(({ event }) => event === 'admin_refused').length, 10)
    world.time.advance(60_000)
    assert.equal((await ask('/v1/sessions', { token: 'x' })).status, 401)
  })
})

describe('a page in the operator’s browser', () => {
  test('finds nothing under a name that somebody else can point here (DNS rebinding)', async (t) => {
    const { port, ask } = await startAdmin(t, { config: { hosts: ['foregate.internal'] } })
    const by = async (host: string) => (await ask('/v1/sessions', { headers: { host } })).status
    const known = ['localhost', `localhost:${port}`, 'LOCALHOST', '127.0.0.1', `[::1]:${port}`, '192.0.2.7']
    for (const host of [...known, `foregate.internal:${port}`]) assert.equal(await by(host), 200, host)
    const strange = ['evil.example', `evil.example:${port}`, 'localhost.evil.example', 'foregate.internal.evil.example']
    const odd = ['127.0.0.1.evil.example', '127.1', '0x7f.1', 'a@localhost', 'localhost,evil.example', '[::1].evil']
    for (const host of [...strange, ...odd]) assert.equal(await by(host), 421, host)
  })

  test('is refused where the browser says that it is one', async (t) => {
    const { ask } = await startAdmin(t)
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-origin' },
    ]) {
      const { status, body } = await ask('/v1/sessions/revoke', { ...revokeAll, headers })
      assert.deepEqual([status, body.error], [403, 'browser_not_served'])
    }
  })
})

describe('a client certificate', () => {
  const authority = createAuthority()
  const foreign = createAuthority()
  after(() => {
    authority.close()
    foreign.close()
  })
  const server = authority.issue('server')
  const operator = authority.issue('ann the operator')
  const expired = authority.issue('gone', { expired: true })
  const stranger = foreign.issue('ann the operator')
  const tls = { cert: server.cert, key: server.key, clientCA: authority.ca }
  const with_ = ({ cert, key }: { cert: string; key: string }) => ({ ca: authority.ca, cert, key })

  test('alone is enough where it is all that is configured, and its name is on record', async (t) => {
    const { world, ask } = await startAdmin(t, { config: { tls, token: undefined } })
    assert.equal((await ask('/v1/sessions', { token: undefined, tls: with_(operator) })).status, 200)
    const line = world.log.lines.find(({ event }) => event === 'audit')
    assert.equal(line?.['actor'], 'ann the operator')
  })

  test('is needed beside the token where both are configured', async (t) => {
    const { ask } = await startAdmin(t, { config: { tls } })
    assert.equal((await ask('/v1/sessions', { tls: with_(operator) })).status, 200)
    assert.equal((await ask('/v1/sessions', { token: undefined, tls: with_(operator) })).status, 401)
    await assert.rejects(ask('/v1/sessions', { tls: { ca: authority.ca } }))
  })

  test('of another authority, or one that has expired, gets no connection', async (t) => {
    const { world, ask } = await startAdmin(t, { config: { tls, token: undefined } })
    for (const certificate of [stranger, expired]) {
      await assert.rejects(ask('/v1/sessions', { token: undefined, tls: with_(certificate) }))
    }
    await assert.rejects(ask('/v1/sessions', { token: undefined, tls: { ca: authority.ca } }))
    assert.deepEqual(
      world.log.lines.filter(({ event }) => event === 'audit'),
      [],
    )
  })

  test('is not asked for where only the port has one', async (t) => {
    const { ask } = await startAdmin(t, { config: { tls: { ...tls, clientCA: undefined } } })
    assert.equal((await ask('/v1/sessions', { tls: { ca: authority.ca } })).status, 200)
    assert.equal((await ask('/v1/sessions', { token: 'x', tls: { ca: authority.ca } })).status, 401)
  })
})
