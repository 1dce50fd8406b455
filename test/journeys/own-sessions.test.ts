// Where a person is signed in, as they see it: two browsers of alice's behind a real nginx, without a script on the page.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { browserMissing, newPage, openBrowser, screenshot } from '../fixtures/browser.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startSite, type Site } from '../fixtures/site.ts'

describe('a person’s own sessions behind nginx', { skip: browserMissing || nginxMissing }, () => {
  let site: Site
  let browser: Browser
  const contexts: BrowserContext[] = []

  before(async () => {
    site = await startSite({ startProxy: startNginx })
    browser = await openBrowser()
  })
  after(async () => {
    await Promise.all(contexts.map((context) => context.close()))
    await browser?.close()
    await site?.stop()
  })

  /** Somebody's browser that calls itself `userAgent` and has signed in. */
  async function signedIn(person: string, userAgent?: string): Promise<Page> {
    const context = await browser.newContext({
      javaScriptEnabled: false,
      ...(userAgent !== undefined && { userAgent }),
    })
    contexts.push(context)
    const page = await newPage(context)
    await page.goto(site.url)
    await page.click(`button[value=${person}]`)
    await page.waitForURL(`${site.url}/`)
    return page
  }
  const safari = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1'

  test('alice sees both of her browsers and no one else’s, signs the other out, then out everywhere', async () => {
    const here = await signedIn('alice')
    const there = await signedIn('alice', safari)
    const bob = await signedIn('bob')

    await here.goto(`${site.url}/oauth2/sessions`)
    const shown = (await here.textContent('main')) ?? ''
    assert.match(
      shown,
      /alice@demo\.test[\s\S]*This browser[\s\S]*Chrome on Linux[\s\S]*Other browsers[\s\S]*Safari on iOS/,
    )
    assert.equal(await here.locator('.sessions li').count(), 2)
    await screenshot(here, 'own-sessions')
    await here.setViewportSize({ width: 360, height: 800 })
    await screenshot(here, 'own-sessions-narrow')

    await here.click('button[aria-label="Sign out: Safari on iOS"]')
    await here.waitForURL(`${site.url}/oauth2/sessions`)
    assert.match((await here.textContent('main')) ?? '', /signed in nowhere else/)
    await screenshot(here, 'own-sessions-alone')
    const status = async (page: Page) => (await page.request.get(`${site.url}/api/whoami`)).status()
    assert.deepEqual([await status(here), await status(there), await status(bob)], [200, 401, 200])

    await here.click('text="Sign out everywhere"')
    // Whose own page needs a script to go on.
    await here.waitForURL((url) => url.origin === site.provider.issuer)
    assert.deepEqual([await status(here), await status(bob)], [401, 200])
  })

  test('whoever is not signed in comes back to the list after signing in', async () => {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await newPage(context)
    await page.goto(`${site.url}/oauth2/sessions`)
    await page.click('button[value=bob]')
    await page.waitForURL(`${site.url}/oauth2/sessions`)
    assert.match((await page.textContent('main')) ?? '', /bob@demo\.test/)
  })
})
