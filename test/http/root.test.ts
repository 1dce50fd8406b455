// A forwardAuth that points to the root path, as oauth2-proxy's users have it with `upstream = static://202`.
import assert from 'node:assert/strict'
import test from 'node:test'
import { browserHeaders, scriptHeaders, startTestApp, subrequest } from '../fixtures/in-process-app.ts'
import { createHttpClient } from '../fixtures/http-client.ts'

const asked = (headers: Record<string, string> = {}, uri = '/wanted') => ({
  headers: {
    ...subrequest('traefik', { method: 'GET', uri, host: 'app.example.com', scheme: 'http' }).headers,
    ...headers,
  },
})

test('a forwardAuth to the root path is answered as /auth is (D8)', async (t) => {
  const app = await startTestApp(t, { config: { rules: [{ path: '/public', policy: 'public' }] } })
  const client = createHttpClient()
  const cookie = await app.login()
  const at = (path: string, given: ReturnType<typeof asked>) => client.send(`${app.url}${path}`, given)
  for (const given of [
    asked({ cookie }),
    asked(scriptHeaders),
    asked({}, '/public'),
    asked({ cookie: 'foregate_session=nonsense', ...scriptHeaders }),
  ]) {
    const [root, auth] = [await at('/', given), await at('/auth', given)]
    assert.equal(root.status, auth.status)
    assert.equal(root.headers['x-auth-request-user'], auth.headers['x-auth-request-user'])
  }
  assert.equal((await at('/', asked({ cookie }))).status, 200)
  const navigation = await at('/', asked(browserHeaders))
  assert.equal(navigation.status, 302)
  assert.ok(navigation.headers.location?.startsWith(app.provider.issuer))
})

test('whoever comes to the root path by themselves finds nothing, logged in or not (D8)', async (t) => {
  const app = await startTestApp(t)
  const cookie = await app.login()
  for (const headers of [{}, { cookie }, { ...browserHeaders, cookie, 'x-forwarded-host': 'app.example.com' }]) {
    assert.equal((await createHttpClient().send(`${app.url}/`, { headers })).status, 404)
  }
})

test('in reverse-proxy mode the root path is the application’s (D8)', async (t) => {
  const app = await startTestApp(t, { config: { upstreams: [{ url: 'http://127.0.0.1:1' }] } })
  const reply = await createHttpClient().send(`${app.url}/`, asked(scriptHeaders, '/public'))
  assert.equal(reply.status, 401)
})
