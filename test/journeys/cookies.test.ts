// The jar of a real Chromium behind a real nginx with its default header buffers: whatever is opened, our cookies take 4 KB at most,
// nginx never answers 400, and every tab gets where it wanted.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { browserMissing, newPage, openBrowser } from '../fixtures/browser.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startDemoUpstream } from '../../deploy/demo/upstream.ts'
import { startTestApp } from '../fixtures/in-process-app.ts'
import { startSite, type Site } from '../fixtures/site.ts'

describe('the jar of a browser behind nginx', { skip: browserMissing || nginxMissing }, () => {
  let site: Site
  let strict: Site
  let browser: Browser
  const contexts: BrowserContext[] = []

  before(async () => {
    site = await startSite({ startProxy: startNginx })
    strict = await startSite({ startProxy: startNginx, config: { cookieSameSite: 'strict' } })
    browser = await openBrowser()
  })
  after(async () => {
    await Promise.all(contexts.map((context) => context.close()))
    await browser?.close()
    await strict?.stop()
    await site?.stop()
  })

  /** Somebody with a browser of their own, and the statuses that nginx answered. */
  async function somebody(): Promise<{ context: BrowserContext; statuses: number[] }> {
    const context = await browser.newContext()
    contexts.push(context)
    const statuses: number[] = []
    context.on('response', (response) => {
      // The callback of a login whose cookie has gone is our own page, which goes on by itself.
      if (response.url().startsWith(site.url) && !response.url().includes('/oauth2/callback')) {
        statuses.push(response.status())
      }
    })
    return { context, statuses }
  }

  async function bytesOf(context: BrowserContext, url = site.url): Promise<number> {
    const cookies = await context.cookies(url)
    return cookies.map(({ name, value }) => `${name}=${value}`).join('; ').length
  }

  /** At the provider, where nobody is known yet, or already back. */
  async function chooseIfAsked(page: Page, person: 'alice' | 'bob', at = site): Promise<void> {
    await page.waitForLoadState()
    if (!page.url().startsWith(at.url)) await page.click(`button[value=${person}]`)
    await page.waitForURL((url) => url.origin === at.url && !url.pathname.startsWith('/oauth2/'))
  }

  async function openAtOnce(context: BrowserContext, paths: readonly string[]): Promise<Page[]> {
    const pages = await Promise.all(paths.map(() => newPage(context)))
    await Promise.all(pages.map((page, tab) => page.goto(site.url + paths[tab])))
    return pages
  }

  test('sixteen tabs at once: below 4 KB, and each one comes back to its own page (B5)', async () => {
    const { context, statuses } = await somebody()
    const paths = Array.from({ length: 16 }, (_, tab) => `/tab/${tab}?tab=${tab}`)
    const pages = await openAtOnce(context, paths)
    assert.ok((await bytesOf(context)) <= 4_096, `${await bytesOf(context)} bytes`)
    // One after the other, as a person does. All of them stood at the provider's page before anybody was known.
    for (const [tab, page] of pages.entries()) {
      await chooseIfAsked(page, 'alice')
      assert.equal(page.url(), site.url + paths[tab])
    }
    assert.ok((await bytesOf(context)) <= 4_096)
    assert.ok(!statuses.includes(400))
  })

  test('a page with fifty frames that all begin a login: below 4 KB, and the person can log in (B5)', async () => {
    const { context, statuses } = await somebody()
    const page = await newPage(context)
    await page.goto(`${site.url}/public`)
    const frames = Array.from({ length: 50 }, (_, at) => `<iframe src="/frame/${at}"></iframe>`).join('')
    await page.setContent(frames)
    await page.waitForLoadState('networkidle')
    assert.ok((await bytesOf(context)) <= 4_096, `${await bytesOf(context)} bytes`)
    await page.goto(`${site.url}/after`)
    await chooseIfAsked(page, 'alice')
    assert.equal(page.url(), `${site.url}/after`)
    assert.ok(!statuses.includes(400))
  })

  test('five tabs with addresses of 4,000 characters: below 4 KB, and they come back whole (B5, C11)', async () => {
    const { context, statuses } = await somebody()
    const paths = Array.from({ length: 5 }, (_, tab) =>
      `/tab/${tab}?${`filter${tab}=status-open&`.repeat(200)}`.slice(0, 4_000),
    )
    const pages = await openAtOnce(context, paths)
    assert.ok((await bytesOf(context)) <= 4_096)
    for (const [tab, page] of pages.entries()) {
      await chooseIfAsked(page, 'alice')
      assert.equal(page.url(), site.url + paths[tab])
    }
    assert.ok(!statuses.includes(400) && !statuses.includes(414))
  })

  test('a jar that an older version filled is mended by the first answer of ours (B5)', async () => {
    const { context, statuses } = await somebody()
    await context.addCookies(
      Array.from({ length: 7 }, (_, at) => ({
        name: `foregate_flow_0m5k2x9q${at}AbCdEf_${at}`,
        value: 'o'.repeat(1_000),
        url: site.url,
      })),
    )
    const page = await newPage(context)
    await page.goto(`${site.url}/after`)
    assert.ok((await bytesOf(context)) <= 4_096, `${await bytesOf(context)} bytes`)
    await chooseIfAsked(page, 'alice')
    assert.equal(page.url(), `${site.url}/after`)
    assert.ok(!statuses.includes(400))
  })

  test('a login left behind each minute for an hour: below 4 KB, and the last one can be finished (B5)', async (t) => {
    const service = await startTestApp(t)
    const application = await startDemoUpstream()
    const nginx = await startNginx({ foregatePort: service.port, applicationPort: application.port })
    t.after(() => Promise.all([nginx.stop(), application.stop()]).then(() => {}))
    service.provider.fault('authorize', { status: 200, body: 'who are you?', contentType: 'text/html' })
    const { context } = await somebody()
    const page = await newPage(context)
    for (let at = 0; at < 60; at++) {
      const answer = await page.goto(`${nginx.url}/left/${at}`)
      assert.equal(answer?.status(), 200)
      assert.ok(page.url().startsWith(service.provider.issuer))
      assert.ok((await bytesOf(context, nginx.url)) <= 4_096, `after ${at} minutes`)
      service.advance(60_000)
    }
    service.provider.fault('authorize', undefined)
    await page.goto(`${nginx.url}/in`)
    assert.equal(page.url(), `${nginx.url}/in`)
    assert.ok((await bytesOf(context, nginx.url)) <= 4_096)
  })

  test('cookieSameSite: strict: one login, and the person is in (C3)', async () => {
    const { context } = await somebody()
    const page = await newPage(context)
    let logins = 0
    page.on('request', (request) => void (logins += Number(request.url().includes('/oauth2/callback'))))
    await page.goto(`${strict.url}/reports?year=2026`)
    await chooseIfAsked(page, 'alice', strict)
    await page.waitForURL(`${strict.url}/reports?year=2026`)
    assert.equal(await page.textContent('#user'), 'alice@demo.test')
    assert.equal(logins, 1)
  })
})
