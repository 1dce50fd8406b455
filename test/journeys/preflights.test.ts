// A rule with `preflight: pass`, by real proxies with the files in deploy/: each has to hand on what makes a preflight one, and what
// makes it none.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createHttpClient } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const page = 'https://page.example'
const preflight = { accept: '*/*', origin: page, 'access-control-request-method': 'PUT' }

for (const { name, startProxy, skip } of proxies) {
  describe(`preflights behind ${name}`, { skip }, () => {
    let site: Site
    before(async () => {
      const config = { cors: { allowedOrigins: [page] }, rules: [{ path: '/api', preflight: 'pass' }] }
      site = await startSite({ startProxy, config })
    })
    after(() => site?.stop())

    const send = async (method: string, headers: Record<string, string>, path = '/api/whoami') =>
      createHttpClient().send(site.url + path, { method, headers })

    test('one of a listed origin reaches the application, and names nobody', async () => {
      const reply = await send('OPTIONS', { ...preflight, 'x-auth-request-user': 'mallory' })
      assert.equal(reply.status, 200, reply.body)
      const { user, method } = reply.json() as Record<string, unknown>
      assert.deepEqual([user, method], ['', 'OPTIONS'])
    })

    const others: [what: string, method: string, headers: Record<string, string>, path?: string][] = [
      ['of another origin', 'OPTIONS', { ...preflight, origin: 'https://evil.example' }],
      ['that asks for nothing', 'OPTIONS', { accept: '*/*', origin: page }],
      ['that is the request itself', 'PUT', preflight],
      ['that an application may take for another method', 'OPTIONS', { ...preflight, 'x-http-method-override': 'PUT' }],
      ['with a token', 'OPTIONS', { ...preflight, authorization: 'Bearer x' }],
      ['to a path without the option', 'OPTIONS', preflight, '/other'],
    ]
    for (const [what, method, headers, path] of others) {
      test(`one ${what} does not`, async () => assert.equal((await send(method, headers, path)).status, 401))
    }
  })
}
