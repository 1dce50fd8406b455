// The answer to a proxy's question may hold tokens: no browser, and so no script in a page, gets it by the routes that are meant
// for our pages. Asked by somebody who is logged in, with every spelling of the addresses that decide.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startCredulousApplication } from '../fixtures/credulous-application.ts'
import { choosePerson, createHttpClient, type HttpClient } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const attacks = [
  '/oauth2/auth',
  '/oauth2/auth?allowed_groups=admins',
  '/oauth2/auth?',
  '/oauth2/auth/',
  '/oauth2/auth/traefik',
  '/oauth2//auth',
  '//oauth2/auth',
  '/oauth2/./auth',
  '/oauth2/x/../auth',
  '/x/../oauth2/auth',
  '/oauth2/%61uth',
  '/oauth2/%61%75%74%68',
  '/oauth2/aut%68?x',
  '/oauth2/%2561uth',
  '/%6fauth2/auth',
  '/oauth2%2fauth',
  '/oauth2/..%2foauth2/auth',
  '/oauth2/AUTH',
  '/OAUTH2/auth',
  '/oauth2/auth;x=y',
  '/oauth2/auth%3b',
  '/oauth2/auth%00',
  '/oauth2/auth%20',
  '/oauth2/auth.',
  '/oauth2/auth%3fx',
  '/oauth2/auth%23',
  '/oauth2\\auth',
  '/auth',
  '/auth/',
  '/auth/traefik',
  '/auth/nginx',
  '/auth/caddy',
  '/auth/haproxy',
  '/auth/envoy/public',
  '/auth/envoy/../../oauth2/start',
  '/auth/envoy/%2e%2e/%2e%2e/oauth2/start',
  '/auth/envoy/x/../../../oauth2/x',
  '/auth/envoy/..%2f..%2foauth2/start',
  '/oauth2/../auth/envoy/public',
  '/oauth2/%2e%2e/auth/nginx',
  '/oauth2/..%2fauth/nginx',
  '/oauth2/start/../../auth/traefik',
  '/_foregate/auth',
  '/_FOREGATE/auth',
  '/metrics',
  '/oauth2/../metrics',
  '/healthz',
  '/oauth2/%2e%2e/healthz',
  '/ping',
  '/readyz',
]

const pages: readonly (readonly [path: string, status: number])[] = [
  ['/oauth2/start?rd=/a', 302],
  ['/oauth2/sign_in', 200],
  ['/oauth2/signed_out', 200],
  ['/oauth2/userinfo', 200],
  ['/oauth2/sessions', 200],
  ['/oauth2/callback?state=x', 302],
]

for (const { name, startProxy, skip } of proxies) {
  describe(`the routes of ${name}`, { skip }, () => {
    let site: Site
    let alice: HttpClient
    before(async () => {
      site = await startSite({
        startProxy,
        application: await startCredulousApplication(),
        config: {
          headers: [{ name: 'X-Access-Token', template: '{{.AccessToken}}' }],
          rules: [{ path: '/public', policy: 'public' }],
        },
      })
      alice = createHttpClient()
      await choosePerson(alice, await alice.navigate(`${site.url}/`), 'alice')
    })
    after(() => site?.stop())

    for (const rawPath of attacks) {
      test(`${rawPath} tells a browser neither a token nor who it is (B7)`, async () => {
        for (const target of [rawPath, `http://localhost:${site.port}${rawPath}`]) {
          for (const method of ['GET', 'HEAD', 'POST']) {
            const reply = await alice.send(site.url, { method, rawPath: target })
            // What the application answers is its own affair; it answers 200 and names itself.
            if (reply.headers['x-application'] !== undefined) continue
            assert.ok(reply.status >= 300, `${method} ${target}: ${reply.status}`)
            assert.equal(reply.headers['x-access-token'], undefined, `${method} ${target}`)
            assert.equal(reply.headers['x-auth-request-user'], undefined, `${method} ${target}`)
            assert.doesNotMatch(reply.body, /foregate_|"status":/)
          }
        }
      })
    }

    test('the paths of our prefix never reach the application', async () => {
      for (const path of ['/oauth2/auth', '/oauth2/x/y', '/oauth2/', '/oauth2/%61uth', '/oauth2/userinfo']) {
        const reply = await alice.send(site.url, { rawPath: path })
        assert.equal(reply.headers['x-application'], undefined, path)
      }
    })

    for (const [path, status] of pages) {
      test(`${path} is answered by Foregate`, async () => {
        const reply = await alice.send(site.url, { rawPath: path, headers: { accept: 'text/html' } })
        assert.equal(reply.status, status)
        assert.equal(reply.headers['x-application'], undefined)
        assert.doesNotMatch(reply.body + JSON.stringify(reply.headers), /access_token/)
      })
    }
  })
}
