// One login host for several domains: a session gets to each of them by a code, ends on all at once, and what a browser holds on one of
// them is worth nothing anywhere else.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createHttpClient, type HttpClient, type Reply } from '../../fixtures/http-client.ts'
import { browserHeaders, scriptHeaders, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'

const loginHost = 'login.example.com'
const one = 'app.other.com'
const two = 'wiki.third.org'
const config = { publicURL: `http://${loginHost}`, session: { handoverHosts: [one, '*.third.org'] } }
const app = await startTestApp({ after }, { config })
const providerOrigin = new URL(app.provider.issuer).origin

/** A browser: a jar for each host; the service at every host but the provider's. */
function aBrowser(of = app) {
  const itsProvider = new URL(of.provider.issuer).origin
  const jars = new Map<string, HttpClient>()
  // Cookies know no ports.
  function jar(host: string): HttpClient {
    const site = host.replace(/:\d+$/, '')
    const found = jars.get(site) ?? createHttpClient()
    jars.set(site, found)
    return found
  }
  const send = (url: string, headers: Record<string, string> = {}): Promise<Reply> => {
    const { origin, host, protocol, pathname, search } = new URL(url)
    if (origin === itsProvider) return jar(host).send(url, { headers: { ...browserHeaders, ...headers } })
    const forwarded = { 'x-forwarded-host': host, 'x-forwarded-proto': protocol.slice(0, -1) }
    return jar(host).send(of.url + pathname + search, { headers: { ...browserHeaders, ...forwarded, ...headers } })
  }
  /** Goes on until an address that fits, which it does not ask for, or an answer that leads nowhere. */
  async function goUntil(
    url: string,
    isEnd: (url: string) => boolean,
  ): Promise<{ url: string; reply: Reply | undefined }> {
    let reply: Reply | undefined
    for (let hops = 0; hops < 20 && !isEnd(url); hops++) {
      reply = await send(url)
      const { location } = reply.headers
      if (location === undefined) break
      url = location
    }
    return { url, reply }
  }
  const cookieOn = (host: string) => `${sessionCookie}=${jar(host).cookies.get(sessionCookie) ?? ''}`
  const statusOn = async (host: string, cookie = cookieOn(host)) =>
    (await of.ask('traefik', { host, cookie, headers: scriptHeaders })).status
  return { send, goUntil, jar, cookieOn, statusOn }
}
type Browser = ReturnType<typeof aBrowser>

const isCode = (url: string) => url.includes('/oauth2/handover?code=')
const isGoal = (host: string) => (url: string) => url.startsWith(`http://${host}/wanted`)
const startOn = (host: string, rd = '/wanted?a=1', more: Record<string, string> = {}) =>
  `http://${host}/oauth2/start?${new URLSearchParams({ rd, ...more }).toString()}`

async function logInOn(browser: Browser, host: string): Promise<void> {
  const { url } = await browser.goUntil(startOn(host), isGoal(host))
  assert.equal(url, `http://${host}/wanted?a=1`)
}

/** The address that brings the code to this host, not asked for yet. */
async function codeFor(browser: Browser, host: string): Promise<string> {
  const { url, reply } = await browser.goUntil(startOn(host), isCode)
  assert.ok(isCode(url), `${url} ${reply?.body ?? ''}`)
  return url
}

async function refusedWith(browser: Browser, url: string, reason: string): Promise<void> {
  const reply = await browser.send(url, { accept: 'application/json', 'sec-fetch-mode': 'cors' })
  assert.deepEqual([reply.status, (reply.json() as { error: string }).error], [400, reason])
  assert.equal(
    reply.setCookies.some((line) => line.startsWith(`${sessionCookie}=`)),
    false,
  )
}

describe('a session on other domains', () => {
  test('a page there leads by way of the login host to a login, and back', async () => {
    const browser = aBrowser()
    const asked = await app.ask('traefik', { host: one, uri: '/wanted?a=1', headers: browserHeaders })
    assert.equal(asked.status, 302)
    assert.match(asked.headers.location ?? '', /^http:\/\/login\.example\.com\/oauth2\/handover\?state=/)
    await logInOn(browser, one)
    assert.equal(await browser.statusOn(one), 200)
  })

  test('whoever is logged in goes through without the provider, and it is one session', async () => {
    const browser = aBrowser()
    await logInOn(browser, one)
    const askedBefore = browser.jar(new URL(providerOrigin).host).trace.length
    await logInOn(browser, two)
    assert.equal(browser.jar(new URL(providerOrigin).host).trace.length, askedBefore)
    const ids = [one, two, loginHost].map((host) => browser.cookieOn(host).slice(0, sessionCookie.length + 1 + 22))
    assert.equal(new Set(ids).size, 1)
    for (const host of [one, two, loginHost]) assert.equal(await browser.statusOn(host), 200)
  })

  for (const host of [one, loginHost]) {
    test(`signing out on ${host} ends it everywhere`, async () => {
      const browser = aBrowser()
      await logInOn(browser, one)
      await logInOn(browser, two)
      const reply = await browser.send(`http://${host}/oauth2/logout`)
      assert.equal(reply.status, 302)
      for (const other of [one, two, loginHost]) assert.equal(await browser.statusOn(other), 401, other)
    })
  }

  test('what a browser holds on one host is worth nothing on another one, nor at the login host, nor theirs there', async () => {
    const browser = aBrowser()
    await logInOn(browser, one)
    await logInOn(browser, two)
    const hosts = [one, two, loginHost]
    for (const from of hosts) {
      for (const to of hosts) {
        assert.equal(await browser.statusOn(to, browser.cookieOn(from)), from === to ? 200 : 401, `${from} -> ${to}`)
      }
    }
    assert.equal(await browser.statusOn(`${one}:8443`), 200, 'cookies know no ports')
  })

  test('another account: a login of its own at the login host, and the old session is over', async () => {
    const browser = aBrowser()
    await logInOn(browser, one)
    const before = browser.cookieOn(one)
    const { url } = await browser.goUntil(startOn(one, '/wanted', { prompt: 'login' }), isGoal(one))
    assert.equal(url, `http://${one}/wanted`)
    assert.equal(await browser.statusOn(one), 200)
    assert.equal(await browser.statusOn(one, before), 401)
  })

  test('nginx and scripts are told of the start on their own host', async () => {
    const nginx = await app.ask('nginx', { host: one, uri: '/wanted', headers: browserHeaders })
    assert.equal(nginx.status, 401)
    assert.ok(nginx.headers.location?.startsWith(`http://${one}/oauth2/start?rd=`))
    const script = await app.ask('traefik', { host: one, uri: '/api', headers: scriptHeaders })
    assert.equal(script.status, 401)
    assert.ok((script.json() as { login_url: string }).login_url.startsWith(`http://${one}/oauth2/start?rd=`))
  })
})

describe('a code', () => {
  test('is good once', async () => {
    const browser = aBrowser()
    const url = await codeFor(browser, one)
    const flows = browser
      .jar(one)
      .cookies.names()
      .filter((name) => name.includes('flow'))
    const flow = flows.map((name) => `${name}=${browser.jar(one).cookies.get(name) ?? ''}`).join('; ')
    assert.equal((await browser.send(url)).status, 302)
    assert.equal(await browser.statusOn(one), 200)
    await refusedWith(browser, url, 'state_unknown')
    const { host, pathname, search } = new URL(url)
    const again = await createHttpClient().send(app.url + pathname + search, {
      headers: { ...scriptHeaders, 'x-forwarded-host': host, cookie: flow },
    })
    assert.equal((again.json() as { error: string }).error, 'state_reused')
  })

  test('is good in the browser that asked for it: nobody is logged in by somebody else’s', async () => {
    await refusedWith(aBrowser(), await codeFor(aBrowser(), one), 'state_unknown')
    // A flow of the victim's own does not help.
    const victim = aBrowser()
    const own = new URL(await codeFor(victim, one))
    const attackers = new URL(await codeFor(aBrowser(), one))
    own.searchParams.set('code', attackers.searchParams.get('code') ?? '')
    await refusedWith(victim, own.href, 'handover_code')
  })

  test('is good on its host', async () => {
    const browser = aBrowser()
    const url = new URL(await codeFor(browser, one))
    const elsewhere = new URL(await codeFor(browser, two))
    await refusedWith(browser, url.href.replace(one, two), 'state_unknown')
    elsewhere.searchParams.set('code', url.searchParams.get('code') ?? '')
    await refusedWith(browser, elsewhere.href, 'handover_code')
    // With the proof of the flow carried over, too.
    for (const name of browser.jar(one).cookies.names())
      browser.jar(two).cookies.store(new URL(app.url), `${name}=${browser.jar(one).cookies.get(name) ?? ''}; Path=/`)
    await refusedWith(browser, url.href.replace(one, two), 'handover_host')
    await refusedWith(browser, url.href.replace(one, `${one}:8443`), 'handover_host')
  })

  test('is good for a minute', async () => {
    const slow = await startTestApp({ after }, { config, sharedProvider: app.provider })
    const browser = aBrowser(slow)
    const url = await codeFor(browser, one)
    slow.advance(61_000)
    await refusedWith(browser, url, 'handover_code')
  })

  test('is worth nothing once its session has ended', async () => {
    const browser = aBrowser()
    const url = await codeFor(browser, one)
    await browser.send(`http://${loginHost}/oauth2/logout`)
    await refusedWith(browser, url, 'ended_meanwhile')
  })

  test('is not changed by a letter', async () => {
    const browser = aBrowser()
    const url = await codeFor(browser, one)
    await refusedWith(browser, url.replace('?code=', '?code=A'), 'handover_code')
    await refusedWith(browser, url.replace('&state=', '&state=A'), 'state_unknown')
    await refusedWith(browser, `${url}&code=x`, 'parameter_repeated')
  })
})

describe('who may be handed a session', () => {
  test('nobody who was taken off the list, nor by a state of another deployment', async () => {
    const narrow = await startTestApp(
      { after },
      { sharedProvider: app.provider, config: { ...config, session: { handoverHosts: [two] } } },
    )
    const foreign = await startTestApp(
      { after },
      { sharedProvider: app.provider, config: { ...config, redis: { keyPrefix: 'elsewhere:' } } },
    )
    const browser = aBrowser()
    const asked = (await browser.send(startOn(one))).headers.location ?? ''
    assert.match(asked, /handover\?state=/)
    await refusedWith(aBrowser(narrow), asked, 'handover_host')
    await refusedWith(aBrowser(foreign), asked, 'state_unknown')
    await refusedWith(aBrowser(narrow), await codeFor(browser, one), 'handover_host')
  })

  test('nobody over http where the login host has https', async () => {
    const secure = await startTestApp(
      { after },
      { sharedProvider: app.provider, config: { ...config, publicURL: `https://${loginHost}` } },
    )
    const browser = aBrowser(secure)
    const asked = (await browser.send(startOn(one))).headers.location ?? ''
    await refusedWith(browser, asked, 'handover_host')
    const good = (await browser.send(startOn(one).replace('http:', 'https:'))).headers.location ?? ''
    assert.equal((await browser.send(good)).status, 302)
  })

  test('a host that is not on the list gets no handover', async () => {
    for (const host of ['other.com', 'xapp.other.com', 'third.org', 'app.other.com.evil.example', '[::1]']) {
      const { headers } = await app.ask('traefik', { host, uri: '/wanted', headers: browserHeaders })
      assert.doesNotMatch(headers.location ?? '', /handover/, host)
    }
    for (const host of [one.toUpperCase(), `${one}:8080`]) {
      const { headers } = await app.ask('traefik', { host, uri: '/wanted', headers: browserHeaders })
      assert.match(headers.location ?? '', /handover/, host)
    }
  })

  test('no return address leads off the host that asked', async () => {
    for (const rd of [
      'https://evil.example/',
      `http://${one}@evil.example/`,
      `http://${one}.evil.example/`,
      '//evil.example/',
      `http://${one}:1234/`,
      'http://äpp.other.com/',
      `http://${two}/`,
    ]) {
      const browser = aBrowser()
      const { url } = await browser.goUntil(
        startOn(one, rd),
        (at) => !at.includes('/oauth2/') && !at.startsWith(providerOrigin),
      )
      assert.equal(url, `http://${one}/`, rd)
    }
  })

  test('a link to the login host brings nobody anywhere but to a sealed goal', async () => {
    const rd = `http://${loginHost}/oauth2/handover?state=made-up`
    const browser = aBrowser()
    const { url, reply } = await browser.goUntil(startOn(loginHost, rd), (at) => at.includes('evil'))
    assert.ok(url.startsWith(`http://${loginHost}/oauth2/handover`))
    assert.equal(reply?.status, 400)
  })
})

test('a browser that keeps no cookies comes to a page, and goes round in no circle', async () => {
  const browser = aBrowser()
  const url = await codeFor(browser, one)
  for (const name of browser.jar(one).cookies.names()) browser.jar(one).cookies.delete(name)
  const { reply } = await browser.goUntil(url, isGoal(one))
  assert.equal(reply?.status, 400)
  assert.match(reply.body, /state_unknown/)
})

test('a rule there that asks for a recent login has it made at the login host, and the person comes back', async () => {
  const strict = await startTestApp(
    { after },
    { config: { ...config, rules: [{ path: '/pay', require: { maxAge: '5m' } }] } },
  )
  const browser = aBrowser(strict)
  const issuer = new URL(strict.provider.issuer).origin
  const loggedInAt = (ms: number) =>
    (strict.provider.person = { sub: 'alice', email: 'alice@example.com', auth_time: Math.floor(ms / 1_000) })
  const isDone = (url: string) => !url.includes('/oauth2/') && !url.startsWith(issuer)
  const visit = () =>
    strict.ask('traefik', { host: one, uri: '/pay', cookie: browser.cookieOn(one), headers: browserHeaders })
  loggedInAt(strict.clock())
  await browser.goUntil(startOn(one), isDone)
  assert.equal((await visit()).status, 200)
  strict.advance(6 * 60_000)
  loggedInAt(strict.clock())
  const sent = await visit()
  assert.equal(sent.status, 302)
  const flow = sent.setCookies.find((line) => line.includes('flow')) ?? ''
  browser.jar(one).cookies.store(new URL(strict.url), flow)
  const { url, reply } = await browser.goUntil(sent.headers.location ?? '', isDone)
  assert.equal(url, `http://${one}/pay`, reply?.body)
  assert.equal((await visit()).status, 200)
})

test('of several providers the one for that host is asked, by way of the login host', async () => {
  const several = await startTestApp(
    { after },
    {
      config: {
        ...config,
        providers: {
          partner: {
            providerURL: 'http://127.0.0.1:9',
            clientID: 'partner',
            clientSecret: 'x9Kp2mQ7vT4w',
            hosts: [two],
          },
        },
      },
      ready: false,
    },
  )
  const browser = aBrowser(several)
  const isStart = (url: string) => url.startsWith(`http://${loginHost}/oauth2/start?`)
  const { url, reply } = await browser.goUntil(startOn(two), isStart)
  assert.equal(new URL(url).searchParams.get('provider'), 'partner', reply?.body)
  // It cannot be reached, and nobody else is asked in its place.
  assert.equal((await browser.send(url)).status, 503)
})
