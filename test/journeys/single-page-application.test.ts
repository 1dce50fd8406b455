// docs/single-page-applications.md in a real Chromium: its script, on a page of another origin, behind a real nginx.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { closeServer, listenOn } from '../../deploy/demo/listen.ts'
import { browserMissing, newPage, openBrowser } from '../fixtures/browser.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const recipe = readFileSync(new URL('../../docs/single-page-applications.md', import.meta.url), 'utf8')
const script = /```js\n([\s\S]*?)```/.exec(recipe)?.[1] ?? ''

interface Origin {
  readonly url: string
  readonly port: number
  readonly server: Server
}

/** Serves the page, on a port of its own: another origin of the same site. */
async function startPage(apiURL: () => string): Promise<Origin> {
  const server = createServer((_request, response) => {
    const body = script.replace('https://api.example.com', apiURL())
    response.setHeader('content-type', 'text/html').end(`<title>app</title><script>${body}</script>`)
  })
  const port = await listenOn(server)
  return { url: `http://localhost:${port}`, port, server }
}

/** An API that answers pages of one origin, as APIs do. */
async function startAPI(origin: () => string) {
  const reached: string[] = []
  const server = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`)
    response.setHeader('access-control-allow-origin', origin())
    response.setHeader('access-control-allow-credentials', 'true')
    response.setHeader('access-control-allow-methods', 'GET, PUT')
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ user: request.headers['x-auth-request-user'], method: request.method }))
  })
  const port = await listenOn(server)
  return { port, reached, stop: () => closeServer(server) }
}

describe('a single-page application', { skip: browserMissing || nginxMissing }, () => {
  let site: Site
  let listed: Origin
  let unlisted: Origin
  let api: Awaited<ReturnType<typeof startAPI>>
  let browser: Browser

  before(async () => {
    listed = await startPage(() => site.url)
    unlisted = await startPage(() => site.url)
    api = await startAPI(() => listed.url)
    site = await startSite({
      startProxy: startNginx,
      application: api,
      config: {
        cors: { allowedOrigins: [listed.url] },
        allowedRedirectHosts: [`localhost:${listed.port}`],
        rules: [
          { path: '/secure', preflight: 'pass', require: { acr: ['second-factor'] } },
          { path: '/', preflight: 'pass' },
        ],
      },
    })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.close()
    await site?.stop()
    for (const origin of [listed, unlisted]) if (origin !== undefined) await closeServer(origin.server)
  })

  /** What the recipe's functions give, in the page. An exception of `fetch` is a browser's "you may not read that". */
  const run = (page: Page, expression: string): Promise<unknown> =>
    page.evaluate(`(async () => { try { return ${expression} } catch (error) { return error.name } })()`)
  const put = `(await (await call('/things/1', { method: 'PUT' })).json())`

  async function signedIn(): Promise<Page> {
    const page = await newPage(await browser.newContext())
    await page.goto(`${listed.url}/reports?year=2026#top`)
    assert.equal(await run(page, 'await whoami()'), undefined)
    // It never returns: the page is left.
    void page.evaluate(`void call('/things')`)
    await page.click('button[value=alice]')
    await page.waitForURL((url) => url.origin === listed.url)
    return page
  }

  test('who is not logged in goes to log in and comes back to the page as it was', async () => {
    const page = await signedIn()
    assert.equal(page.url().replace(/#.*/, ''), `${listed.url}/reports?year=2026`)
    const session = (await run(page, 'await whoami()')) as Record<string, unknown>
    assert.deepEqual([session['loggedIn'], session['user']], [true, 'alice@demo.test'])
  })

  test('a request that the browser asks about first reaches the API, question and all', async () => {
    const page = await signedIn()
    const before = api.reached.length
    assert.deepEqual(await run(page, put), { user: 'alice@demo.test', method: 'PUT' })
    assert.deepEqual(api.reached.slice(before), ['OPTIONS /things/1', 'PUT /things/1'])
  })

  test('new tokens now, and the access token lives longer', async () => {
    const page = await signedIn()
    assert.equal(await run(page, 'await refresh()'), true)
    assert.ok(site.provider.grants.refresh_token > 0)
    assert.equal(((await run(page, 'await whoami()')) as Record<string, unknown>)['loggedIn'], true)
  })

  test('a rule that asks for more sends the person there, and back to the page', async () => {
    const page = await signedIn()
    void page.evaluate(`void call('/secure')`)
    await page.click('button[value=alice]')
    await page.waitForURL((url) => url.origin === listed.url)
    assert.deepEqual(await run(page, `(await (await call('/secure')).json())`), {
      user: 'alice@demo.test',
      method: 'GET',
    })
    assert.equal(((await run(page, 'await whoami()')) as Record<string, unknown>)['acr'], 'second-factor')
  })

  test('a page that is not listed reads nothing, refreshes nothing and asks nothing of the API', async () => {
    const page = await signedIn()
    await page.goto(unlisted.url)
    const [before, refreshes] = [api.reached.length, site.provider.grants.refresh_token]
    assert.equal(await run(page, 'await whoami()'), 'TypeError')
    assert.equal(await run(page, 'await refresh()'), 'TypeError')
    assert.equal(await run(page, put), 'TypeError')
    assert.deepEqual(api.reached.slice(before), [])
    assert.equal(site.provider.grants.refresh_token, refreshes)
  })
})
