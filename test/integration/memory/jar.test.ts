// The browser's jar as a lever: whatever it opens, and whatever an older version or a sibling host left in it, our cookies sum up to
// 4 KB at most, and nobody loses their way over it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { createHttpClient, type HttpClient, type Reply } from '../../fixtures/http-client.ts'
import { appHost, browserHeaders, scriptHeaders, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'

const app = await startTestApp({ after })
const site = new URL(app.url)
const minute = 60_000

const bytesOf = (client: HttpClient) => client.cookies.header(site)?.length ?? 0
const flowsOf = (client: HttpClient) => client.cookies.names().filter((name) => name.startsWith('foregate_flow_'))
const go = (client: HttpClient, url: string | undefined) => client.send(url ?? '', { headers: browserHeaders })
const noise = (length: number) => randomBytes(length).toString('base64url').slice(0, length)

/** As far as the callback's address. */
async function untilCallback(client: HttpClient, rd: string): Promise<string> {
  const started = await app.begin(client, rd)
  return (await go(client, started.headers.location)).headers.location ?? ''
}

/** Each begins before any of the others is answered: none sees another's cookie. */
async function atOnce(client: HttpClient, paths: readonly string[]): Promise<string[]> {
  const before = client.cookies.header(site)
  const started = await Promise.all(
    paths.map((rd) =>
      createHttpClient().send(`${app.url}/oauth2/start?${new URLSearchParams({ rd }).toString()}`, {
        headers: { ...browserHeaders, ...(before !== undefined && { cookie: before }) },
      }),
    ),
  )
  for (const { setCookies } of started) for (const line of setCookies) client.cookies.store(site, line)
  const back = await Promise.all(started.map(({ headers }) => go(createHttpClient(), headers.location)))
  return back.map(({ headers }) => headers.location ?? '')
}

/** Where the page goes by itself. */
function refreshOf(reply: Reply): string | undefined {
  const target = /<meta http-equiv="refresh" content="0;url=([^"]+)"/.exec(reply.body)?.[1]
  return target?.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}

/** As a browser goes on: redirects, and pages that go on by themselves. */
async function arrive(client: HttpClient, callback: string | undefined): Promise<string> {
  let url = callback ?? ''
  for (let hop = 0; hop < 10; hop++) {
    const reply = await go(client, url)
    const next = reply.status >= 300 && reply.status < 400 ? reply.headers.location : refreshOf(reply)
    if (next === undefined) return url
    url = next
    if (new URL(url).origin === app.url && !new URL(url).pathname.startsWith('/oauth2/')) return url
  }
  throw new Error(`still under way: ${url}`)
}

describe('the sum of our cookies', () => {
  test('stays below 4 KB after fifty logins that began at once, and every tab gets where it wanted (B5)', async () => {
    const client = createHttpClient()
    const paths = Array.from({ length: 50 }, (_, tab) => `/tab/${tab}?x=${tab}`)
    const callbacks = await atOnce(client, paths)
    assert.ok(bytesOf(client) <= 4_096, `${bytesOf(client)} bytes`)
    assert.ok(flowsOf(client).length <= 5)
    for (const [tab, callback] of callbacks.entries()) {
      assert.equal(await arrive(client, callback), app.url + paths[tab])
      assert.ok(bytesOf(client) <= 4_096)
    }
    assert.deepEqual(client.cookies.names(), [sessionCookie])
  })

  for (const [name, url] of [
    ['usual', (tab: number) => `/tab/${tab}?${'filter=status%3Dopen&'.repeat(190)}`],
    ['random', (tab: number) => `/tab/${tab}?${noise(3_990)}`],
  ] as const) {
    test(`stays below 4 KB with five tabs of ${name} addresses of 4,000 characters, and so does each request (B5)`, async () => {
      const client = createHttpClient()
      const paths = [0, 1, 2, 3, 4].map(url)
      for (const path of paths) {
        const started = await app.begin(client, path)
        assert.equal(started.status, 302)
        assert.ok((started.headers.location ?? '').length <= 4_096, 'the login’s address fits every provider')
        assert.ok(bytesOf(client) <= 4_096)
      }
      const end = await arrive(client, await untilCallback(client, paths[0] ?? ''))
      assert.equal(end, app.url + (name === 'usual' ? paths[0] : '/tab/0'))
    })
  }

  test('stays below 4 KB with a login left behind each minute for an hour (B5)', async () => {
    const client = createHttpClient()
    for (let at = 0; at < 60; at++) {
      await app.begin(client, `/left/${at}?${noise(200)}`)
      assert.ok(bytesOf(client) <= 4_096, `after ${at} minutes: ${bytesOf(client)} bytes`)
      app.advance(minute)
    }
    assert.ok(flowsOf(client).length <= 5)
    assert.equal(await arrive(client, await untilCallback(client, '/in')), `${app.url}/in`)
  })

  test('stays below 4 KB for somebody logged in with a page of twelve frames, and three long starts (B5)', async () => {
    const client = createHttpClient()
    await app.login(client)
    const pages = [
      Array.from({ length: 12 }, (_, frame) => `/frame/${frame}`),
      ...[2_000, 7_000].map((length) => Array.from({ length: 3 }, () => `/long?${noise(length)}`)),
    ]
    for (const paths of pages) {
      await atOnce(client, paths)
      assert.ok(bytesOf(client) <= 4_096, `${bytesOf(client)} bytes after ${paths.length} of ${paths[0]?.length}`)
      assert.ok(client.cookies.names().includes(sessionCookie))
    }
  })
})

describe('a jar of an older version', () => {
  const fill = (client: HttpClient, count: number, length: number, attributes = '; Path=/') => {
    for (let at = 0; at < count; at++) {
      client.cookies.store(site, `foregate_flow_0m5k2x9q${at % 10}AbCdEf${at}_=${'o'.repeat(length)}${attributes}`)
    }
  }
  const relayed = (uri: string) => ({
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': appHost,
    'x-forwarded-uri': uri,
  })
  const answers: [name: string, ask: (client: HttpClient) => Promise<Reply>][] = [
    ['the start', (client) => app.begin(client)],
    ['the callback', (client) => go(client, `${app.url}/oauth2/callback?state=x`)],
    ['a logout', (client) => go(client, `${app.url}/oauth2/logout`)],
    ['the sign-in page', (client) => go(client, `${app.url}/oauth2/sign_in`)],
    ['the page after a logout', (client) => go(client, `${app.url}/oauth2/signed_out`)],
    ['a page that is not there', (client) => go(client, `${app.url}/oauth2/nothing`)],
    ['userinfo', (client) => client.send(`${app.url}/oauth2/userinfo`, { headers: scriptHeaders })],
    [
      'the redirect of /auth',
      (client) => client.send(`${app.url}/auth/traefik`, { headers: { ...browserHeaders, ...relayed('/x') } }),
    ],
    [
      'the 401 of /auth',
      (client) => client.send(`${app.url}/auth/traefik`, { headers: { ...scriptHeaders, ...relayed('/x') } }),
    ],
    ['a refusal', (client) => client.send(`${app.url}/oauth2/start`, { method: 'PUT', headers: browserHeaders })],
  ]
  for (const [name, ask] of answers) {
    test(`is mended by ${name} (B5)`, async () => {
      const client = createHttpClient()
      fill(client, 8, 900)
      client.cookies.store(site, `foregate_pass=${'p'.repeat(3_500)}; Path=/`)
      assert.ok(bytesOf(client) > 8_192)
      await ask(client)
      assert.ok(bytesOf(client) <= 4_096, `${bytesOf(client)} bytes`)
    })
  }

  test('of many small cookies is mended by a few answers, none of which is too large for a proxy (B5)', async () => {
    const client = createHttpClient()
    fill(client, 100, 250)
    let answers = 0
    for (; bytesOf(client) > 4_096 && answers < 20; answers++) {
      const reply = await go(client, `${app.url}/oauth2/sign_in`)
      assert.ok(reply.rawHeaders.join('').length < 4_096)
    }
    assert.ok(answers < 20)
  })

  test('with doubles of another path is mended, and the session goes on (B5)', async () => {
    const client = createHttpClient()
    const cookie = await app.login(client)
    client.cookies.store(site, `foregate_pass=${'p'.repeat(3_400)}; Path=/oauth2`)
    client.cookies.store(site, `foregate_pass=${'q'.repeat(3_400)}; Path=/`)
    const callback = new URL(`${app.url}/oauth2/callback`)
    const bytes = () => client.cookies.header(callback)?.length ?? 0
    assert.ok(bytes() > 6_000)
    const scoped = await startTestApp({ after }, { config: { cookiePath: '/oauth2' }, sharedProvider: app.provider })
    const reply = await createHttpClient().send(`${scoped.url}/oauth2/sign_in`, {
      headers: { ...browserHeaders, cookie: client.cookies.header(callback) ?? '' },
    })
    for (const line of reply.setCookies) client.cookies.store(callback, line)
    assert.ok(bytes() <= 4_096, `${bytes()} bytes`)
    assert.equal((await app.ask('traefik', { cookie })).status, 200)
  })

  test('keeps the session that is in it (B5)', async () => {
    const client = createHttpClient()
    const cookie = await app.login(client)
    fill(client, 8, 900)
    await go(client, `${app.url}/oauth2/sign_in`)
    assert.equal(`${sessionCookie}=${client.cookies.get(sessionCookie)}`, cookie)
    assert.equal((await app.ask('traefik', { cookie })).status, 200)
  })
})

describe('a login whose cookie has gone', () => {
  test('begins anew by itself and ends where the person wanted to be (B5)', async () => {
    const client = createHttpClient()
    const callback = await untilCallback(client, '/wanted/here?a=b')
    client.cookies.delete(flowsOf(client)[0] ?? '')
    const reply = await go(client, callback)
    assert.equal(reply.status, 400)
    assert.match(reply.body, /state_unknown/)
    assert.equal(client.cookies.get(sessionCookie), undefined)
    assert.equal(await arrive(client, callback), `${app.url}/wanted/here?a=b`)
    assert.ok(client.cookies.get(sessionCookie))
  })

  for (const minutes of [16, 60, 7 * 60]) {
    test(`does so after ${minutes} minutes on the login page (C13)`, async () => {
      const client = createHttpClient()
      const callback = await untilCallback(client, '/late?a=b')
      app.advance(minutes * minute)
      assert.equal(await arrive(client, callback), `${app.url}/late?a=b`)
    })
  }

  test('does so once: a browser that keeps no cookie is not sent round and round (B5)', async () => {
    const keepsNothing = () => createHttpClient()
    const callback = await untilCallback(keepsNothing(), '/wanted')
    const first = await go(keepsNothing(), callback)
    const again = refreshOf(first)
    assert.ok(again)
    const atProvider = await go(keepsNothing(), (await go(keepsNothing(), again)).headers.location)
    const second = await go(keepsNothing(), atProvider.headers.location)
    assert.equal(second.status, 400)
    assert.equal(refreshOf(second), undefined)
    assert.match(second.body, /href="[^"]*\/oauth2\/start\?rd=[^"]*wanted/, 'and yet offers to')
  })

  test('of another browser logs nobody in, and leads nowhere that a link could not (B5)', async () => {
    const callback = await untilCallback(createHttpClient(), 'https://evil.example/')
    const victim = createHttpClient()
    const before = app.provider.calls.token
    const reply = await go(victim, callback)
    assert.equal(reply.status, 400)
    assert.equal(app.provider.calls.token, before)
    assert.deepEqual(reply.setCookies, [])
    assert.equal(refreshOf(reply)?.includes('evil'), false)
  })

  test('with a session goes where the person wanted to be (B5)', async () => {
    const client = createHttpClient()
    const callback = await untilCallback(client, '/wanted')
    for (const name of flowsOf(client)) client.cookies.delete(name)
    await app.login(client)
    assert.equal((await go(client, callback)).headers.location, `${app.url}/wanted`)
  })

  test('tells a program in JSON', async () => {
    const callback = await untilCallback(createHttpClient(), '/wanted')
    const reply = await createHttpClient().send(callback, { headers: scriptHeaders })
    assert.deepEqual([reply.status, (reply.json() as { error: string }).error], [400, 'state_unknown'])
  })
})
