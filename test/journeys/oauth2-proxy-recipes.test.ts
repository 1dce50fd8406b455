// nginx by the recipes of oauth2-proxy's own documentation, with nothing changed but the addresses. nginx passes on every header that
// a recipe does not set: whatever a client writes there is believed by nobody.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { freePort } from '../../deploy/demo/listen.ts'
import { startDemoUpstream } from '../../deploy/demo/upstream.ts'
import type { OAuth2ProxyDialect } from '../../src/config/contracts.ts'
import { createHttpClient } from '../fixtures/http-client.ts'
import { scriptHeaders, startTestApp } from '../fixtures/in-process-app.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'

/** `uri`: the line that the older recipe lacks. */
const recipe = (port: number, foregate: number, application: number, uri: string) => `
server {
  listen 127.0.0.1:${port};
  server_name _;

  location /oauth2/ {
    proxy_pass       http://127.0.0.1:${foregate};
    proxy_set_header Host                    $host;
    proxy_set_header X-Real-IP               $remote_addr;
    proxy_set_header X-Auth-Request-Redirect $request_uri;
  }
  location = /oauth2/auth {
    proxy_pass       http://127.0.0.1:${foregate};
    proxy_set_header Host             $host;
    proxy_set_header X-Real-IP        $remote_addr;
    ${uri}
    proxy_set_header Content-Length   "";
    proxy_pass_request_body           off;
  }
  location / {
    auth_request /oauth2/auth;
    error_page 401 =403 /oauth2/sign_in;
    auth_request_set $user   $upstream_http_x_auth_request_user;
    auth_request_set $email  $upstream_http_x_auth_request_email;
    proxy_set_header X-User  $user;
    proxy_set_header X-Email $email;
    proxy_pass http://127.0.0.1:${application};
  }
}`
const current = 'proxy_set_header X-Forwarded-Uri  $request_uri;'

const rules = [
  { host: 'public.example.com', policy: 'public' },
  { methods: ['OPTIONS'], policy: 'public' },
  { path: '/public', policy: 'public' },
]
const attacks: [name: string, headers: Record<string, string>][] = [
  ['nothing', {}],
  ['a public host', { 'x-forwarded-host': 'public.example.com' }],
  ['a public method', { 'x-forwarded-method': 'OPTIONS' }],
  ['the same in two ways', { 'x-forwarded-method': 'OPTIONS', 'x-original-method': 'OPTIONS' }],
  ['a public URL', { 'x-original-url': 'http://public.example.com/public', 'x-original-method': 'OPTIONS' }],
  ['a public path', { 'x-forwarded-uri': '/public' }],
  ['a public path of two', { 'x-forwarded-uri': '/public', 'x-original-uri': '/public', 'x-rewrite-url': '/public' }],
  [
    'all that Traefik would set',
    {
      'x-forwarded-host': 'public.example.com',
      'x-forwarded-method': 'OPTIONS',
      'x-forwarded-proto': 'http',
      'x-forwarded-uri': '/public',
    },
  ],
  ['another method, for those who would ask it', { 'x-http-method-override': 'OPTIONS' }],
]

describe('nginx by oauth2-proxy’s recipes', { skip: nginxMissing }, async () => {
  const application = await startDemoUpstream()
  after(() => application.stop())

  async function behind(dialect: OAuth2ProxyDialect, uri: string, config: Record<string, unknown> = { rules }) {
    const app = await startTestApp({ after }, { config: { ...config, forwardAuth: { oauth2ProxyDialect: dialect } } })
    const port = await freePort()
    const nginx = await startNginx({
      port,
      foregatePort: app.port,
      applicationPort: application.port,
      edit: () => recipe(port, app.port, application.port, uri),
    })
    after(() => nginx.stop())
    const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
      const reply = await createHttpClient().send(nginx.url + path, {
        method,
        headers: { ...scriptHeaders, ...headers },
      })
      return reply.body.includes('sample application') ? 'reached' : reply.status
    }
    return { app, ask, cookie: await app.login() }
  }

  for (const [name, dialect, uri] of [
    ['the current recipe', 'nginx', current],
    ['the current recipe, no dialect named', 'none', current],
    ['the older recipe, no dialect named', 'none', ''],
  ] as const) {
    const { ask, cookie, app } = await behind(dialect, uri)

    for (const [what, headers] of attacks) {
      test(`${name}: ${what} in a client’s headers lets nobody in (B3)`, async () => {
        assert.notEqual(await ask('/private', headers), 'reached')
      })
    }

    test(`${name}: who is logged in gets in, whatever else is sent (B3)`, async () => {
      assert.equal(await ask('/private', { cookie }), 'reached')
      assert.equal(await ask('/private', { cookie, 'x-forwarded-host': 'other.example' }), 'reached')
    })

    test(`${name}: the method that a person really used is not known, so none is public (B3)`, async () => {
      assert.notEqual(await ask('/private', {}, 'OPTIONS'), 'reached')
    })

    test(`${name}: a path is public where the recipe states it (B3)`, async () => {
      assert.equal(await ask('/public'), dialect === 'none' ? 403 : 'reached')
    })

    test(`${name}: the log says once what is missing (B3)`, () => {
      const told = app.handed.filter(({ event }) => event === 'dialect_not_named')
      assert.equal(told.length, dialect === 'none' ? 1 : 0)
      assert.ok(told.every(({ message }) => message.includes('forwardAuth.oauth2ProxyDialect')))
    })
  }

  const groups = { rules: [{ path: '/admin', methods: ['POST'], require: { groups: ['admins'] } }] }
  test('where a rule requires more, a client cannot say that it asked for another page (B3)', async () => {
    const older = await behind('none', '', groups)
    for (const path of ['/admin', '/page']) {
      assert.equal(await older.ask(path, { cookie: older.cookie, 'x-forwarded-uri': '/page' }), 403, path)
    }
    older.app.provider.person = { ...older.app.provider.person, groups: ['admins'] }
    assert.equal(await older.ask('/page', { cookie: await older.app.login() }), 'reached', 'who meets every rule')
  })
  test('where a rule requires more for one method and none is stated, it is required for all (B3)', async () => {
    const { ask, cookie } = await behind('nginx', current, groups)
    assert.equal(await ask('/admin', { cookie, 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/page' }), 403)
    assert.equal(await ask('/admin', { cookie }, 'POST'), 403)
    assert.equal(await ask('/page', { cookie }), 'reached')
  })
})
