// What operators ask, over a real socket.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { idOf, look, minute, quiet, type World } from '../session/world.ts'
import { issuer, startAdmin, token } from './fixture.ts'

const claimsOf = (sub: string, sid = `sid-of-${sub}`) => ({ iss: issuer, sub, sid, email: `${sub}@example.com` })
const login = (world: World, sub: string, sid?: string) => world.login({ claims: claimsOf(sub, sid) })
const ids = (sessions: readonly { readonly id: string }[]) => sessions.map(({ id }) => id)

describe('the list', () => {
  test('tells everything about a session but what is secret', async (t) => {
    const { world, ask } = await startAdmin(t)
    const origin = { startedAt: world.time.clock(), network: '192.0.2.0/24', browser: 'Firefox on Linux' }
    const { session, ticket } = await world.sessions.begin(world.grant({ claims: claimsOf('alice') }), origin)
    const { status, body, text, headers } = await ask('/v1/sessions')
    assert.equal(status, 200)
    const time = (ms: number) => new Date(ms).toISOString()
    assert.deepEqual(body, {
      sessions: [
        {
          id: session.id,
          user: 'alice@example.com',
          issuer,
          subject: 'alice',
          sid: 'sid-of-alice',
          createdAt: time(session.createdAt),
          lastSeenAt: time(session.createdAt),
          expiresAt: time(session.expiresAt),
          network: '192.0.2.0/24',
          browser: 'Firefox on Linux',
        },
      ],
      next: null,
    })
    for (const secret of [ticket.slice(22), 'at-0', 'rt-0', 'id-0']) assert.ok(!text.includes(secret), secret)
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
    assert.equal(headers['set-cookie'], undefined)
    for (const name of Object.keys(headers)) assert.doesNotMatch(name, /^access-control-/)
  })

  test('is of a user, a subject or a provider’s session, of this provider unless another is named', async (t) => {
    const { world, ask } = await startAdmin(t)
    const alice = [await login(world, 'alice'), await login(world, 'alice', 'sid-2')].map(idOf)
    const bob = idOf(await login(world, 'bob'))
    const listed = async (query: string) => ids((await ask(`/v1/sessions?${query}`)).body.sessions).toSorted()
    assert.deepEqual(await listed('user=ALICE%40example.com'), alice.toSorted())
    assert.deepEqual(await listed('subject=alice'), alice.toSorted())
    assert.deepEqual(await listed(`subject=bob&issuer=${encodeURIComponent(issuer)}`), [bob])
    assert.deepEqual(await listed('subject=bob&issuer=https%3A%2F%2Felsewhere.example'), [])
    assert.deepEqual(await listed('sid=sid-2'), [alice[1]])
    assert.deepEqual(await listed(''), [...alice, bob].toSorted())
  })

  test('comes in pages, by a cursor that says nothing', async (t) => {
    const { world, ask } = await startAdmin(t)
    const all: string[] = []
    for (let at = 0; at < 7; at++) {
      all.push(idOf(await login(world, `p${at}`)))
      world.time.advance(1_000)
    }
    const seen: string[] = []
    let after = ''
    for (let page = 0; page < 3; page++) {
      const { body } = await ask(`/v1/sessions?limit=3${after}`)
      seen.push(...ids(body.sessions))
      after = `&after=${body.next}`
      assert.equal(body.next === null, page === 2)
    }
    assert.deepEqual(seen, all)
  })

  test('does not count what was ended towards a page', async (t) => {
    const { world, ask } = await startAdmin(t)
    for (let at = 0; at < 6; at++) await login(world, `p${at}`)
    await ask('/v1/sessions/revoke', { method: 'POST', body: { all: true } })
    world.time.advance(10 * minute)
    const younger = idOf(await login(world, 'carol'))
    assert.deepEqual(ids((await ask('/v1/sessions?limit=2')).body.sessions), [younger])
  })
})

describe('one session', () => {
  test('is shown, ended everywhere, and gone', async (t) => {
    const { world, ask } = await startAdmin(t)
    const other = world.replica()
    const [alice, bob] = [await login(world, 'alice'), await login(world, 'bob')]
    assert.equal(await look(other.sessions, alice), 'shared')
    assert.equal((await ask(`/v1/sessions/${idOf(alice)}`)).body.user, 'alice@example.com')
    const ended = await ask(`/v1/sessions/${idOf(alice)}`, { method: 'DELETE' })
    assert.deepEqual([ended.status, ended.body], [200, { ended: 1, complete: true }])
    for (const { sessions } of [world, other]) {
      assert.equal(await look(sessions, alice), 'revoked')
      assert.notEqual(await look(sessions, bob), 'revoked')
    }
    for (const method of ['GET', 'DELETE']) {
      const gone = await ask(`/v1/sessions/${idOf(alice)}`, { method })
      assert.deepEqual([gone.status, gone.body.error], [404, 'not_found'])
    }
  })

  test('whose id is none is not there', async (t) => {
    const { ask } = await startAdmin(t)
    for (const id of ['A'.repeat(22), 'x', '%2e%2e', `${'A'.repeat(21)}%00`]) {
      assert.equal((await ask(`/v1/sessions/${id}`)).status, 404)
      assert.equal((await ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status, 404)
    }
  })
})

describe('revoking', () => {
  const ways: Record<string, object> = {
    user: { user: 'Alice@example.com' },
    subject: { subject: 'alice' },
    'a subject of a named issuer': { subject: 'alice', issuer },
    sid: { sid: 'sid-of-alice' },
  }
  for (const [way, body] of Object.entries(ways)) {
    test(`by ${way} ends all that are meant, everywhere, and nobody else, and they may log in again`, async (t) => {
      const { world, ask } = await startAdmin(t)
      const other = world.replica()
      const [one, two, bob] = [await login(world, 'alice'), await login(other, 'alice'), await login(world, 'bob')]
      const answer = await ask('/v1/sessions/revoke', { method: 'POST', body })
      assert.deepEqual([answer.status, answer.body], [200, { ended: 2, complete: true }])
      for (const { sessions } of [world, other]) {
        for (const ticket of [one, two]) assert.equal(await look(sessions, ticket), 'revoked')
        assert.notEqual(await look(sessions, bob), 'revoked')
      }
      world.time.advance(1)
      assert.equal(await look(world.sessions, await login(world, 'alice')), 'near')
    })
  }

  test('by sid ends a login that a provider whose clock is ahead has just told of', async (t) => {
    const { world, ask } = await startAdmin(t)
    const ticket = await world.login({ claims: claimsOf('alice'), idTokenIssuedAt: world.time.clock() + 59_000 })
    await ask('/v1/sessions/revoke', { method: 'POST', body: { sid: 'sid-of-alice' } })
    assert.equal(await look(world.sessions, ticket), 'revoked')
  })

  test('older than a duration ends those that began before, and does not count them', async (t) => {
    const { world, ask } = await startAdmin(t)
    const old = await login(world, 'alice')
    world.time.advance(31 * minute)
    const young = await login(world, 'bob')
    const answer = await ask('/v1/sessions/revoke', { method: 'POST', body: { olderThan: '30m' } })
    assert.deepEqual([answer.status, answer.body], [200, { ended: null, complete: true }])
    assert.equal(await look(world.sessions, old), 'revoked')
    assert.equal(await look(world.sessions, young), 'near')
    assert.equal((await ask(`/v1/sessions/${idOf(old)}`)).status, 404)
  })

  test('all ends everybody', async (t) => {
    const { world, ask } = await startAdmin(t)
    const tickets = [await login(world, 'alice'), await login(world.replica(), 'bob')]
    assert.equal((await ask('/v1/sessions/revoke', { method: 'POST', body: { all: true } })).status, 200)
    for (const { sessions } of [world, world.replica()]) {
      for (const ticket of tickets) assert.equal(await look(sessions, ticket), 'revoked')
    }
    assert.deepEqual((await ask('/v1/sessions')).body, { sessions: [], next: null })
  })

  test('in an outage that nobody else hears of is 503 and not complete, and asked again it says when that is mended', async (t) => {
    const { world, ask } = await startAdmin(t)
    const begun = await world.sessions.begin(world.grant({ claims: claimsOf('alice') }))
    world.cache.goAway()
    const revoke = () => ask('/v1/sessions/revoke', { method: 'POST', body: { user: 'alice@example.com' } })
    const first = await revoke()
    assert.deepEqual([first.status, first.body.complete, first.body.error], [503, false, 'logout_incomplete'])
    assert.equal(first.headers['retry-after'], '5')
    assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'revoked')
    for (const [path, method] of [
      ['/v1/sessions', 'GET'],
      [`/v1/sessions/${begun.session.id}`, 'DELETE'],
    ] as const) {
      const away = await ask(path, { method })
      assert.deepEqual([away.status, away.body.error], [503, 'store_unavailable'])
      assert.match(away.body.message, /works meanwhile/)
    }
    await world.cache.comeBack()
    assert.deepEqual([(await revoke()).status, (await revoke()).body.complete], [200, true])
  })
})

describe('what cannot be understood', () => {
  const queries: [query: string, message: RegExp][] = [
    ['usr=a', /"usr" is not known; did you mean user\?/],
    ['user=a&user=b', /user: is given twice/],
    ['user=a&subject=b', /user, subject: are given together/],
    ['user=', /user: must be text, and not empty/],
    [`user=${'a'.repeat(1_025)}`, /user: must have at most 1024/],
    ['issuer=a', /issuer: belongs to subject or sid/],
    ['user=a&issuer=b', /issuer: belongs to/],
    ['limit=0', /limit: must be a whole number from 1 to 500/],
    ['limit=501', /limit: must be/],
    ['limit=1e2', /limit: must be/],
    ['after=x', /after: must be the `next`/],
    [`after=${Buffer.from('1:99999999999').toString('base64url')}`, /after: must be/],
    ['olderThan=1d', /"olderThan" is not known/],
    ['all=true', /"all" is not known/],
  ]
  for (const [query, message] of queries) {
    test(`?${query.slice(0, 60)} is 400, and says what would be right`, async (t) => {
      const { ask } = await startAdmin(t)
      const { status, body } = await ask(`/v1/sessions?${query}`)
      assert.deepEqual([status, body.error], [400, 'bad_request'])
      assert.match(body.message, message)
    })
  }

  const bodies: [raw: string, status: number, message: RegExp][] = [
    ['{}', 400, /name exactly one of/],
    ['{"user": "a", "all": true}', 400, /name exactly one of/],
    ['{"al": true}', 400, /"al" is not known; did you mean all\?/],
    ['{"all": false}', 400, /all: must be true/],
    ['{"all": "true"}', 400, /all: must be true/],
    ['{"user": ["a"]}', 400, /user: must be text/],
    ['{"user": ""}', 400, /user: must be text, and not empty/],
    ['{"user": "a", "issuer": "b"}', 400, /issuer: belongs to/],
    ['{"olderThan": "soon"}', 400, /olderThan: must be a duration/],
    ['{"olderThan": 0}', 400, /olderThan: must be a duration/],
    ['{"olderThan": "500d"}', 400, /olderThan: must be a duration/],
    ['{"__proto__": {"all": true}}', 400, /"__proto__" is not known/],
    ['[]', 400, /must be a JSON object/],
    ['null', 400, /must be a JSON object/],
    ['{"user":', 400, /must be JSON/],
    ['', 400, /must be JSON/],
    [`{"user": "${'a'.repeat(17_000)}"}`, 413, /may have 16384 bytes/],
  ]
  for (const [raw, status, message] of bodies) {
    test(`a body ${raw.slice(0, 60)} is ${status} and ends nobody`, async (t) => {
      const { world, ask } = await startAdmin(t)
      const ticket = await login(world, 'a')
      const answer = await ask('/v1/sessions/revoke', { method: 'POST', raw })
      assert.equal(answer.status, status)
      assert.match(answer.body.message, message)
      assert.equal(await look(world.sessions, ticket), 'near')
    })
  }

  test('a body of another type, or without its length, is refused: a page may send such without being asked', async (t) => {
    const { world, ask } = await startAdmin(t)
    const ticket = await login(world, 'a')
    const raw = '{"all": true}'
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', '']) {
      const answer = await ask('/v1/sessions/revoke', { method: 'POST', raw, headers: { 'content-type': type } })
      assert.deepEqual([answer.status, answer.body.error], [415, 'unsupported_media_type'])
    }
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
    assert.equal((await ask('/v1/sessions/revoke', { method: 'POST', headers })).status, 411)
    assert.equal(await look(world.sessions, ticket), 'near')
  })

  test('paths and methods that there are not say which there are', async (t) => {
    const { ask } = await startAdmin(t)
    for (const path of ['/', '/v1', '/v2/sessions', '/v1/sessions/', '/metrics', '/v1/sessions/a/b', '//v1/sessions']) {
      const { status, body } = await ask(path)
      assert.equal(status, 404, path)
      assert.ok(body.message.length > 0)
    }
    for (const [path, method, allow] of [
      ['/v1/sessions', 'DELETE', 'GET'],
      ['/v1/sessions', 'HEAD', 'GET'],
      ['/v1/sessions/revoke', 'GET', 'POST'],
      ['/v1/sessions/revoke', 'OPTIONS', 'POST'],
      [`/v1/sessions/${'A'.repeat(22)}`, 'POST', 'GET, DELETE'],
    ] as const) {
      const { status, headers } = await ask(path, { method })
      assert.deepEqual([status, headers['allow']], [405, allow], `${method} ${path}`)
    }
  })
})

describe('the record', () => {
  test('has a line for each act: who, what, whom and how many, and never the credential', async (t) => {
    const { world, ask } = await startAdmin(t)
    const ticket = await login(world, 'alice')
    await ask('/v1/sessions?user=alice%40example.com')
    await ask(`/v1/sessions/${idOf(ticket)}`)
    await ask('/v1/sessions/revoke', { method: 'POST', body: { subject: 'alice', issuer } })
    await ask('/v1/sessions?limit=0')
    await quiet()
    const lines = world.log.lines.filter(({ event }) => event === 'audit')
    const from = { actor: 'admin', client: '127.0.0.1', requestId: 'request-1' }
    const by = { event: 'audit', level: 'info', message: undefined, ...from }
    assert.deepEqual(
      lines.map((line) => ({ ...line, message: undefined })),
      [
        { ...by, action: 'list', outcome: 'done', by: 'user', whom: 'alice@example.com', count: 1 },
        { ...by, action: 'show', outcome: 'done', by: 'session', whom: idOf(ticket), count: 1 },
        { ...by, action: 'revoke', outcome: 'done', by: 'subject', whom: 'alice', issuer, count: 1 },
        { ...by, action: 'list', outcome: 'refused' },
      ],
    )
    assert.ok(!JSON.stringify(world.log.lines).includes(token))
  })

  test('counts each act by what came of it, from 0', async (t) => {
    const { world, ask } = await startAdmin(t)
    const count = async (action: string, outcome: string) => {
      const text = await world.metrics.render()
      const series = `foregate_admin_requests_total{action="${action}",outcome="${outcome}"} `
      const line = text.split('\n').find((one) => one.startsWith(series))
      assert.ok(line, series)
      return Number(line.slice(series.length))
    }
    assert.equal(await count('revoke', 'done'), 0)
    assert.equal(await count('none', 'credential'), 0)
    await ask('/v1/sessions/revoke', { method: 'POST', body: { user: 'a' } })
    await ask('/v1/sessions', { token: 'wrong' })
    assert.equal(await count('revoke', 'done'), 1)
    assert.equal(await count('none', 'credential'), 1)
    assert.equal(await count('list', 'done'), 0)
  })
})
