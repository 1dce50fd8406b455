// What a person sees of their own sessions, and ends.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import { browserHeaders, scriptHeaders, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'

const app = await startTestApp({ after })
const path = '/oauth2/sessions'
const person = { ...browserHeaders, 'sec-fetch-site': 'same-origin' }

interface Listed {
  readonly sessions: readonly { readonly id: string; readonly current: boolean; readonly browser: string | null }[]
}

/** A browser that is logged in, by its User-Agent; `sub`: who it is. */
async function logIn(userAgent: string, sub = 'alice'): Promise<string> {
  const client = createHttpClient()
  const headers = { ...browserHeaders, 'user-agent': userAgent }
  const begun = await client.send(`${app.url}/oauth2/start?rd=%2F`, { headers })
  const asked = new URL(begun.headers.location ?? '').searchParams
  const redirectURI = asked.get('redirect_uri') ?? ''
  const answer = app.provider.issueCode({
    redirectURI,
    nonce: asked.get('nonce') ?? '',
    claims: { sub, email: `${sub}@example.com`, email_verified: true },
  })
  await client.send(`${redirectURI}?${answer}&${new URLSearchParams({ state: asked.get('state') ?? '' }).toString()}`, {
    headers,
  })
  const ticket = client.cookies.get(sessionCookie)
  assert.ok(ticket)
  return `${sessionCookie}=${ticket}`
}

const get = (cookie: string | undefined, headers: Record<string, string> = person) =>
  createHttpClient().send(app.url + path, { headers: { ...headers, ...(cookie !== undefined && { cookie }) } })

const post = (cookie: string, end: string, headers: Record<string, string> = { ...person, origin: app.url }) =>
  createHttpClient().send(`${app.url}${path}?${end}`, { method: 'POST', headers: { ...headers, cookie } })

const listOf = async (cookie: string) => (await get(cookie, scriptHeaders)).json() as Listed
const idOf = async (cookie: string): Promise<string> =>
  (await listOf(cookie)).sessions.find(({ current }) => current)?.id ?? ''
const isIn = async (cookie: string) => (await app.ask('traefik', { cookie, headers: scriptHeaders })).status === 200

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const safari = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1'

describe('the page of one’s own sessions', () => {
  test('shows this browser and the others, and nobody else’s', async () => {
    const [here, there] = [await logIn(firefox), await logIn(safari)]
    const foreign = await logIn(safari, 'mallory')
    const { status, body, headers } = await get(here)
    assert.equal(status, 200)
    assert.match(headers['content-type'] ?? '', /^text\/html/)
    assert.equal(headers['cache-control'], 'no-store')
    assert.match(body, /alice@example\.com/)
    assert.match(body, /This browser[\s\S]*Firefox on Linux[\s\S]*Other browsers[\s\S]*Safari on iOS/)
    assert.match(body, /127\.0\.0\.0\/24/)
    assert.ok(body.includes(await idOf(there)))
    assert.ok(!body.includes(await idOf(foreign)))
    assert.doesNotMatch(body, /mallory/)
    for (const cookie of [here, there, foreign]) {
      const [, ticket = ''] = cookie.split('=')
      assert.ok(!body.includes(ticket.slice(22)), 'no secret of a ticket')
    }
    await post(here, 'end=everywhere')
  })

  test('tells the same to a program, each time with its zone', async () => {
    const [here] = [await logIn(firefox), await logIn(safari)]
    const told = (await get(here, scriptHeaders)).json() as { sessions: Record<string, unknown>[]; hasMore: boolean }
    assert.equal(told.hasMore, false)
    assert.deepEqual(
      told.sessions.map(({ current, browser }) => [current, browser]),
      [
        [true, 'Firefox on Linux'],
        [false, 'Safari on iOS'],
      ],
    )
    assert.deepEqual(Object.keys(told.sessions[0] ?? {}).toSorted(), [
      'browser',
      'createdAt',
      'current',
      'expiresAt',
      'id',
      'lastSeenAt',
      'network',
    ])
    assert.match(String(told.sessions[0]?.['createdAt']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    await post(here, 'end=everywhere')
  })

  test('leads whoever is not logged in to the provider, and back to it', async () => {
    const client = createHttpClient()
    const sent = await client.send(app.url + path, { headers: browserHeaders })
    assert.equal(sent.status, 302)
    assert.equal(new URL(sent.headers.location ?? '').origin, app.provider.issuer)
    const atProvider = await client.send(sent.headers.location ?? '', { headers: browserHeaders })
    const back = await client.send(atProvider.headers.location ?? '', { headers: browserHeaders })
    assert.equal(back.headers.location, app.url + path)
    const script = await get(undefined, scriptHeaders)
    assert.deepEqual([script.status, script.json()], [401, { error: 'login_required' }])
  })

  test('through a middleware alone it never says 2xx, and a form’s post is carried out all the same', async () => {
    const [here, there] = [await logIn(firefox), await logIn(safari)]
    const ask = (method: string, uri: string) =>
      app.ask('traefik', {
        method,
        uri,
        host: '127.0.0.1',
        cookie: here,
        headers: { ...browserHeaders, 'sec-fetch-site': 'same-origin', origin: 'http://127.0.0.1' },
      })
    assert.equal((await ask('GET', path)).status, 403)
    assert.equal((await ask('POST', `${path}?end=${await idOf(there)}`)).status, 303)
    assert.equal(await isIn(there), false)
    assert.equal(await isIn(here), true)
    assert.equal((await app.ask('traefik', { uri: path, cookie: here, headers: scriptHeaders })).status, 404)
  })
})

describe('ending one’s own sessions', () => {
  test('one that was chosen ends, and the page is shown again', async () => {
    const [here, there, third] = [await logIn(firefox), await logIn(safari), await logIn(safari)]
    const answer = await post(here, `end=${await idOf(there)}`)
    assert.deepEqual([answer.status, answer.headers.location], [303, app.url + path])
    assert.deepEqual([await isIn(here), await isIn(there), await isIn(third)], [true, false, true])
  })

  test('all others end, and this one stays', async () => {
    const [here, there, third] = [await logIn(firefox), await logIn(safari), await logIn(safari)]
    const foreign = await logIn(safari, 'mallory')
    const answer = await post(here, 'end=others', { ...scriptHeaders, origin: app.url })
    const told = answer.json() as { ended: number; complete: boolean }
    assert.equal(answer.status, 200)
    assert.ok(told.ended >= 2 && told.complete)
    assert.deepEqual([await isIn(here), await isIn(there), await isIn(third)], [true, false, false])
    assert.equal(await isIn(foreign), true)
  })

  test('everywhere ends this one, too, and goes on as a logout does', async () => {
    const [here, there] = [await logIn(firefox), await logIn(safari)]
    const foreign = await logIn(safari, 'mallory')
    const answer = await post(here, 'end=everywhere')
    assert.equal(answer.status, 303)
    const goal = new URL(answer.headers.location ?? '')
    assert.equal(goal.origin + goal.pathname, `${app.provider.issuer}/logout`)
    assert.match(goal.searchParams.get('id_token_hint') ?? '', /^eyJ/)
    assert.ok(answer.setCookies.some((line) => line.startsWith(`${sessionCookie}=; Max-Age=0;`)))
    assert.deepEqual([await isIn(here), await isIn(there), await isIn(foreign)], [false, false, true])
  })

  test('this one by its id is an ordinary logout', async () => {
    const [here, there] = [await logIn(firefox), await logIn(safari)]
    const answer = await post(here, `end=${await idOf(here)}`)
    assert.equal(new URL(answer.headers.location ?? '').pathname, '/logout')
    assert.deepEqual([await isIn(here), await isIn(there)], [false, true])
  })

  test('another person’s session cannot be ended, nor told from one that does not exist', async () => {
    const [here, foreign] = [await logIn(firefox), await logIn(safari, 'mallory')]
    const body = ({ body }: Reply) => body.replaceAll(/[\w-]{16}(?=<\/dd>)/g, '')
    const theirs = await post(here, `end=${await idOf(foreign)}`)
    const nobodys = await post(here, `end=${'A'.repeat(22)}`)
    assert.deepEqual([theirs.status, body(theirs)], [404, body(nobodys)])
    assert.equal(await isIn(foreign), true)
  })

  test('a page elsewhere, or a link, ends nothing', async () => {
    const [here, there] = [await logIn(firefox), await logIn(safari)]
    const id = await idOf(there)
    const foreignOrigins: Record<string, string>[] = [
      { ...browserHeaders, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      { ...browserHeaders, 'sec-fetch-site': 'same-site' },
      { ...browserHeaders, origin: 'null', 'sec-fetch-site': 'cross-site' },
      { accept: 'text/html' },
    ]
    for (const headers of foreignOrigins) {
      for (const end of [id, 'others', 'everywhere']) {
        const answer = await post(here, `end=${end}`, headers)
        assert.deepEqual([answer.status, answer.headers.location], [303, app.url + path])
      }
    }
    const script = await post(here, `end=${id}`, { ...scriptHeaders, origin: 'https://evil.example' })
    assert.equal(script.status, 403)
    for (const end of [id, 'others', 'everywhere']) {
      const link = await createHttpClient().send(`${app.url}${path}?end=${end}`, {
        headers: { ...person, cookie: here },
      })
      assert.equal(link.status, 200)
    }
    assert.deepEqual([await isIn(here), await isIn(there)], [true, true])
  })

  test('what names nothing, or two things, is a bad request', async () => {
    const here = await logIn(firefox)
    for (const query of ['', 'end=', 'end=others&end=everywhere', 'end=%00', 'end=..%2F']) {
      const { status } = await post(here, query)
      assert.ok(status === 400 || status === 404, `${query}: ${status}`)
    }
    assert.equal(await isIn(here), true)
  })
})

test('the page that asks before a logout leads to all of one’s sessions', async () => {
  const here = await logIn(firefox)
  const asked = await createHttpClient().send(`${app.url}/oauth2/logout`, {
    headers: { ...browserHeaders, 'sec-fetch-site': 'cross-site', cookie: here },
  })
  assert.ok(asked.body.includes(`href="${app.url}${path}"`))
})

test('whoever asks for the list again and again is told to wait', async (t) => {
  const limited = await startTestApp(t, { config: { rateLimit: { loginsPerMinute: 3 } } })
  const cookie = await limited.login()
  const statuses: number[] = []
  for (let at = 0; at < 4; at++) {
    const { status } = await createHttpClient().send(limited.url + path, { headers: { ...person, cookie } })
    statuses.push(status)
  }
  assert.deepEqual(statuses, [200, 200, 200, 429])
})
