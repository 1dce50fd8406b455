// The proxy files in deploy/, by real proxies: what reaches the application, and what reaches the client.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { choosePerson, createHttpClient, type HttpClient, type Reply } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startSite, type Site } from '../fixtures/site.ts'

/** Every way of pretending to be somebody, or to be asking for something else. */
const spoofed = {
  'X-Auth-Request-User': 'mallory',
  'x-auth-request-email': 'mallory',
  'X-Auth-Request-Groups': 'mallory',
  'X-Auth-Request-Preferred-Username': 'mallory',
  'X-Forwarded-User': 'mallory',
  X_Auth_Request_User: 'mallory',
  'X.Auth.Request.User': 'mallory',
  'X-Auth_Request-User': 'mallory',
  X_Forwarded_User: 'mallory',
  'X-Forwarded-Uri': '/public?mallory',
  'X-Original-URL': 'http://localhost/public?mallory',
  'X-Original-URI': '/public?mallory',
  'X-Original-Method': 'OPTIONS',
  'X-Forwarded-Host': 'mallory.example',
  'X-Forwarded-Prefix': '/mallory',
  'X-Auth-Request-Redirect': 'http://mallory.example/',
  Forwarded: 'host=mallory.example',
}

const script = {
  accept: 'application/json',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
  'sec-fetch-site': 'same-origin',
}

/** What /api/whoami says that it received. */
function receivedBy(reply: Reply): Record<string, unknown> {
  assert.equal(reply.status, 200, reply.body)
  const answer = reply.json()
  assert.ok(typeof answer === 'object' && answer !== null && 'headers' in answer)
  assert.ok(typeof answer.headers === 'object' && answer.headers !== null)
  return { ...answer.headers }
}

for (const { name, startProxy, skip } of proxies) {
  describe(`behind ${name}`, { skip }, () => {
    let site: Site
    before(async () => {
      site = await startSite({
        startProxy,
        config: {
          cors: { allowedOrigins: ['https://page.example'] },
          rules: [
            { path: '/api/whoami', methods: ['OPTIONS'], policy: 'public' },
            { path: '/admin', policy: 'login', require: { groups: ['admins'] } },
          ],
        },
      })
    })
    after(() => site?.stop())

    async function signIn(person: string, path = '/'): Promise<{ client: HttpClient; landed: Reply }> {
      const client = createHttpClient()
      const landed = await choosePerson(client, await client.navigate(site.url + path), person)
      return { client, landed }
    }

    test('a login comes back to path and query as they were sent', async () => {
      const { landed } = await signIn('alice', '/a%20b/c?x=%2F&y=a+b&y=2')
      assert.equal(landed.status, 200)
      assert.equal(landed.url, `${site.url}/a%20b/c?x=%2F&y=a+b&y=2`)
    })

    test('the application learns who is signed in, and nothing that the client made up', async () => {
      const { client } = await signIn('alice')
      const headers = receivedBy(await client.send(`${site.url}/api/whoami`, { headers: spoofed }))
      assert.equal(headers['x-auth-request-user'], 'alice@demo.test')
      assert.equal(headers['x-auth-request-email'], 'alice@demo.test')
      assert.equal(headers['x-auth-request-groups'], 'admins,users')
      assert.equal(headers['x-forwarded-user'], 'alice@demo.test')
      assert.doesNotMatch(JSON.stringify(headers), /mallory/)
    })

    test('on a public route a made-up identity does not survive either (CVE-2026-30851)', async () => {
      const headers = receivedBy(
        await createHttpClient().send(`${site.url}/api/whoami`, { method: 'OPTIONS', headers: spoofed }),
      )
      assert.doesNotMatch(JSON.stringify(headers), /mallory/)
      assert.equal(headers['x-auth-request-user'] || '', '')
    })

    test('a Connection header cannot take the identity away again (CVE-2024-45410)', async () => {
      const { client } = await signIn('alice')
      const connection = 'close, X-Auth-Request-User, X-Auth-Request-Groups, X-Forwarded-Uri, X-Original-URL'
      const headers = receivedBy(await client.send(`${site.url}/api/whoami`, { headers: { connection } }))
      assert.equal(headers['x-auth-request-user'], 'alice@demo.test')
      assert.equal(headers['x-auth-request-groups'], 'admins,users')
    })

    test('two names in one Host header are judged as neither of them', async () => {
      const reply = await createHttpClient().send(`${site.url}/api/whoami`, {
        method: 'OPTIONS',
        headers: { host: 'private.example,localhost' },
      })
      assert.ok(reply.status >= 400 && reply.status < 500, `status ${reply.status}`)
    })

    test('headers that name a public URL do not open another one (CVE-2026-40575)', async () => {
      const reply = await createHttpClient().send(`${site.url}/api/whoami`, { headers: { ...script, ...spoofed } })
      assert.equal(reply.status, 401)
    })

    test('a script gets 401 JSON with a login URL on this site, and no redirect', async () => {
      const reply = await createHttpClient().send(`${site.url}/api/whoami?x=1`, { headers: script })
      assert.equal(reply.status, 401)
      assert.ok(reply.headers['www-authenticate'])
      const body = reply.json()
      assert.ok(typeof body === 'object' && body !== null && 'error' in body && 'login_url' in body)
      assert.equal(body.error, 'login_required')
      assert.ok(String(body.login_url).startsWith(`${site.url}/oauth2/`), String(body.login_url))
    })

    test('a script of a listed origin may read the 401, and of another one may not (C14)', async () => {
      const ask = (origin: string) =>
        createHttpClient().send(`${site.url}/api/whoami`, { headers: { ...script, origin } })
      const reply = await ask('https://page.example')
      assert.equal(reply.status, 401)
      assert.equal(reply.headers['access-control-allow-origin'], 'https://page.example')
      assert.equal(reply.headers['access-control-allow-credentials'], 'true')
      assert.match(reply.headers['vary'] ?? '', /origin/i)
      const stranger = await ask('https://page.example.evil')
      assert.equal(stranger.status, 401)
      assert.equal(stranger.headers['access-control-allow-origin'], undefined)
    })

    test('a page of the wrong person is 403 and says so, also to a script', async () => {
      const { client } = await signIn('bob')
      const page = await client.navigate(`${site.url}/admin`)
      assert.equal(page.status, 403)
      assert.match(page.body, /bob@demo\.test/)
      const json = await client.send(`${site.url}/admin`, { headers: script })
      assert.equal(json.status, 403)
      assert.match(json.headers['content-type'] ?? '', /json/)
    })

    test('a random cookie is no session', async () => {
      const { client } = await signIn('alice')
      for (const cookie of client.cookies.names()) {
        const reply = await createHttpClient().send(`${site.url}/api/whoami`, {
          headers: { ...script, cookie: `${cookie}=${'A'.repeat(64)}` },
        })
        assert.equal(reply.status, 401)
      }
    })

    test('a host that could shift where the path begins is refused', async () => {
      for (const host of ['localhost/public#', 'localhost?', 'localhost#', 'localhost\\x']) {
        const reply = await createHttpClient().send(`${site.url}/api/whoami`, { headers: { ...script, host } })
        assert.ok(reply.status >= 400, `${host}: ${reply.status}`)
      }
    })
  })

  describe(`behind ${name}, with Foregate gone`, { skip }, () => {
    test('a request is 503 with Retry-After, and does not reach the application', async () => {
      const site = await startSite({ startProxy })
      try {
        await site.foregate.stop()
        const reply = await createHttpClient().send(`${site.url}/api/whoami`, { headers: script })
        assert.equal(reply.status, 503)
        assert.ok(reply.headers['retry-after'])
        assert.deepEqual(reply.setCookies, [])
      } finally {
        await site.stop()
      }
    })
  })
}
