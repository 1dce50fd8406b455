// What people live through, in a real Chromium behind a real nginx configured by deploy/nginx/foregate.conf.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { listenOn } from '../../deploy/demo/listen.ts'
import { browserMissing, newPage, openBrowser, screenshot } from '../fixtures/browser.ts'
import { createHttpClient } from '../fixtures/http-client.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startSite, type Site } from '../fixtures/site.ts'

interface Pages {
  readonly origin: string
  readonly server: Server
}

/** Another site, whose pages call the one behind nginx. */
async function startPages(): Promise<Pages> {
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>a page'))
  const port = await listenOn(server)
  return { origin: `http://127.0.0.1:${port}`, server }
}

describe('a browser behind nginx', { skip: browserMissing || nginxMissing }, () => {
  let site: Site
  let listed: Pages
  let unlisted: Pages
  let browser: Browser
  const contexts: BrowserContext[] = []

  before(async () => {
    listed = await startPages()
    unlisted = await startPages()
    site = await startSite({ startProxy: startNginx, config: { cors: { allowedOrigins: [listed.origin] } } })
    browser = await openBrowser()
  })
  after(async () => {
    await Promise.all(contexts.map((context) => context.close()))
    await browser?.close()
    await site?.stop()
    listed?.server.close()
    unlisted?.server.close()
  })

  /** Somebody with a browser of their own. */
  async function somebody(): Promise<BrowserContext> {
    const context = await browser.newContext()
    contexts.push(context)
    return context
  }

  async function choose(page: Page, person: 'alice' | 'bob'): Promise<void> {
    await page.click(`button[value=${person}]`)
    await page.waitForURL((url) => url.origin === site.url && !url.pathname.startsWith('/oauth2/'))
  }

  /** A page of somebody who has just signed in. */
  async function signedIn(person: 'alice' | 'bob', path = '/'): Promise<Page> {
    const page = await newPage(await somebody())
    await page.goto(site.url + path)
    await choose(page, person)
    return page
  }

  test('a login ends at exactly the URL that was asked for, query included', async () => {
    const page = await newPage(await somebody())
    const asked = '/reports/2026?year=2026&tags=a%2Fb&q=%C3%BC+x&empty=&rd=https%3A%2F%2Fevil.example%2F'
    await page.goto(site.url + asked)
    await screenshot(page, 'provider')
    await choose(page, 'alice')
    assert.equal(page.url(), site.url + asked)
    assert.equal(await page.textContent('#url'), asked)
    assert.equal(await page.textContent('#user'), 'alice@demo.test')
    await screenshot(page, 'signed-in')
  })

  test('a script of a listed origin is told to log in and where; one of another origin cannot even tell (C14)', async () => {
    const called = async ({ origin }: Pages) => {
      const page = await newPage(await somebody())
      await page.goto(origin)
      return page.evaluate(async (api) => {
        try {
          const reply = await fetch(api, { credentials: 'include' })
          return { status: reply.status, challenge: reply.headers.get('www-authenticate'), body: await reply.text() }
        } catch (error) {
          return { status: 0, challenge: null, body: String(error) }
        }
      }, `${site.url}/api/whoami`)
    }
    const told = await called(listed)
    assert.equal(told.status, 401, told.body)
    assert.match(told.challenge ?? '', /^Bearer/)
    assert.match(told.body, /"login_url":"http/)
    assert.match((await called(unlisted)).body, /^TypeError/)
  })

  test('two tabs that were both sent to the provider both come back to their own page', async () => {
    const person = await somebody()
    const [one, two] = [await newPage(person), await newPage(person)]
    await Promise.all([one.goto(`${site.url}/one?tab=1`), two.goto(`${site.url}/two?tab=2`)])
    await choose(one, 'alice')
    await choose(two, 'alice')
    assert.equal(one.url(), `${site.url}/one?tab=1`)
    assert.equal(two.url(), `${site.url}/two?tab=2`)
    assert.equal(await two.textContent('#user'), 'alice@demo.test')
  })

  test('who may not see a page is told who he is signed in as, and can switch account without losing his place', async () => {
    const page = await signedIn('bob')
    const refused = await page.goto(`${site.url}/admin?tab=users`)
    assert.equal(refused?.status(), 403)
    assert.match((await page.textContent('body')) ?? '', /bob@demo\.test/)
    await screenshot(page, 'forbidden')
    await page.click('text="Switch account"')
    await choose(page, 'alice')
    assert.equal(page.url(), `${site.url}/admin?tab=users`)
    assert.equal(await page.textContent('#user'), 'alice@demo.test')
  })

  test('a logout ends the session here and at the provider, and the old cookie is worth nothing', async () => {
    const page = await signedIn('alice')
    const stolen = (await page.context().cookies(site.url)).map(({ name, value }) => `${name}=${value}`).join('; ')
    const asThief = () => createHttpClient().send(`${site.url}/api/whoami`, { headers: { cookie: stolen } })
    assert.equal((await asThief()).status, 200)

    await page.click('#logout')
    // The provider adds the `state` that the logout came with.
    await page.waitForURL((url) => url.origin === site.url && url.pathname === '/public')
    assert.equal(await page.locator('#user').count(), 0)
    await screenshot(page, 'signed-out')
    assert.equal((await asThief()).status, 401)

    await page.goto(`${site.url}/reports`)
    assert.equal(
      new URL(page.url()).origin,
      site.provider.issuer,
      'the provider asks again, because its session has ended, too',
    )
  })

  test('a login that the person cancels at the provider ends on a page that offers to start again', async () => {
    const page = await newPage(await somebody())
    await page.goto(`${site.url}/reports?year=2026`)
    const answer = page.waitForResponse((response) => response.url().startsWith(`${site.url}/oauth2/callback`))
    await page.click('text=Cancel')
    const status = (await answer).status()
    assert.ok(status >= 400 && status < 500, `a page for the person, not ${status}`)
    await screenshot(page, 'login-cancelled')
    await page.click('text="Try again"')
    await choose(page, 'alice')
    assert.equal(await page.textContent('#user'), 'alice@demo.test')
  })

  test('a script of a signed-out page gets 401 and a login URL as JSON, never a redirect to the provider', async () => {
    const page = await newPage(await somebody())
    await page.goto(`${site.url}/public`)
    // As text, because it runs in the browser: the types here are Node's.
    const answer: unknown = await page.evaluate(`fetch('/api/whoami').then(async (answer) => ({
      status: answer.status, redirected: answer.redirected, challenge: answer.headers.get('www-authenticate'), body: await answer.json() }))`)
    assert.ok(
      typeof answer === 'object' && answer !== null && 'status' in answer && 'redirected' in answer && 'body' in answer,
    )
    assert.equal(answer.status, 401)
    assert.equal(answer.redirected, false)
    assert.ok('challenge' in answer && answer.challenge, 'WWW-Authenticate')
    assert.ok(
      typeof answer.body === 'object' && answer.body !== null && 'error' in answer.body && 'login_url' in answer.body,
    )
    assert.equal(answer.body.error, 'login_required')

    await page.goto(String(answer.body.login_url))
    await choose(page, 'bob')
    assert.equal(await page.textContent('#user'), 'bob@demo.test')
  })
})
