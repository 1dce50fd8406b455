// Every spelling of every identity header, sent by a client through a proxy to an application that reads names as CGI, WSGI and PHP
// do. What the application reads is what Foregate said, or nothing.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startCredulousApplication, type CredulousApplication } from '../fixtures/credulous-application.ts'
import { choosePerson, createHttpClient, type HttpClient } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { identityHeaders } from '../fixtures/identity-headers.ts'
import { sendRaw } from '../fixtures/raw-http.ts'
import { startSite, type Site } from '../fixtures/site.ts'

/** Of the operator's own: the file is edited as its header says. */
const configured = 'X-Access-Token'
/** Of the operator's own, but the proxy's file was forgotten. */
const forgotten = 'X-Department'
/** Never sent by Foregate; applications that came from oauth2-proxy, IIS or Symfony believe them. */
const believedElsewhere = [
  'X-Forwarded-Email',
  'X-Forwarded-Groups',
  'X-Forwarded-Preferred-Username',
  'X-Forwarded-Access-Token',
  'X-Auth-Request-Access-Token',
  'X-Forwarded-Uri',
  'X-Forwarded-Method',
  'X-Forwarded-Prefix',
  'X-Original-URL',
  'X-Original-URI',
  'X-Original-Method',
  'X-Rewrite-URL',
  'X-Auth-Request-Redirect',
  'Forwarded',
]

/** What each file's header says about another header for the application. */
const withConfigured: Record<(typeof proxies)[number]['name'], (file: string) => string> = {
  nginx: (file) =>
    file.replace(
      /( *)error_page 401 = @foregate_login;/,
      `$1auth_request_set $foregate_token $upstream_http_x_access_token;\n$1proxy_set_header ${configured} $foregate_token;\n$&`,
    ),
  HAProxy: (file) => file.replace('x-forwarded-user unless', `x-forwarded-user,${configured.toLowerCase()} unless`),
  Caddy: (file) =>
    file
      .replace('request_header -Forwarded', `request_header -Forwarded\n\t\trequest_header -${configured}`)
      .replace('copy_headers X-', `copy_headers ${configured} X-`),
}

/** The name with each of its hyphens in every spelling: 3 to the power of their number. */
function spellings(name: string, separators = ['-', '_', '.']): string[] {
  const [first = '', ...rest] = name.split('-')
  return rest.reduce(
    (prefixes, part) => prefixes.flatMap((prefix) => separators.map((mark) => prefix + mark + part)),
    [first],
  )
}

const aliasesOf = (name: string) => spellings(name).filter((spelling) => spelling !== name)
const cased = (name: string, at: number) => [name, name.toUpperCase(), name.toLowerCase()][at % 3] ?? name
/** What lighttpd's CGI reads as a hyphen, too. */
const oddMarks = ['!', '#', '$', '%', '&', "'", '*', '+', '^', '`', '|', '~']

/** Framed so that two readers may see two things. */
const oddLines = [
  'X-Auth-Request-User : mallory',
  'X-Auth-Request-User\t: mallory',
  ' X-Auth-Request-User: mallory',
  'Accept: a\r\n X-Auth-Request-User: mallory',
  'Accept: a\nX-Auth-Request-User: mallory',
  'Accept: a\rX-Auth-Request-User: mallory',
  'X-Auth-Request-User\0: mallory',
  'X-Auth-Request-User\u00a0: mallory',
  ': a\r\nX-Auth-Request-User: mallory',
  'X-Auth-Request-User: \r\n mallory',
  'Connection: X-Auth-Request-User\r\nX-Auth-Request-User: mallory',
  'Transfer-Encoding: chunked\r\nTrailer: X-Auth-Request-User\r\n\r\n0\r\nX-Auth-Request-User: mallory',
]

const families: readonly (readonly [what: string, names: readonly string[]])[] = [
  ...identityHeaders.map((name) => [name, spellings(name)] as const),
  [configured, spellings(configured)],
  [`aliases of ${forgotten}`, aliasesOf(forgotten)],
  [
    'what applications know from elsewhere',
    believedElsewhere.flatMap((name) => [name, ...aliasesOf(name).slice(0, 8)]),
  ],
  ['odd marks', oddMarks.flatMap((mark) => spellings('X-Auth-Request-User', ['-', mark]))],
]

/** HAProxy takes at most 101 fields; each name is sent twice. */
function batches(names: readonly string[]): string[][] {
  const size = 40
  return Array.from({ length: Math.ceil(names.length / size) }, (_, at) => names.slice(at * size, (at + 1) * size))
}

for (const { name, startProxy, skip } of proxies) {
  describe(`aliases through ${name}`, { skip }, () => {
    let application: CredulousApplication
    let site: Site
    let alice: HttpClient
    before(async () => {
      application = await startCredulousApplication()
      site = await startSite({
        startProxy,
        application,
        edit: withConfigured[name],
        config: {
          rules: [{ path: '/public', policy: 'public' }],
          headers: [
            { name: configured, template: '{{.AccessToken}}' },
            { name: forgotten, template: '{{.Claims.sub}}' },
            { name: 'X_Team', template: '{{.Claims.sub}}' },
          ],
        },
      })
      alice = createHttpClient()
      await choosePerson(alice, await alice.navigate(`${site.url}/`), 'alice')
    })
    after(() => site?.stop())

    async function readBy(client: HttpClient, path: string, names: readonly string[]) {
      const headers = Object.fromEntries(names.map((field, at) => [cased(field, at), ['mallory', 'mallory']]))
      const reply = await client.send(site.url + path, { headers })
      assert.equal(reply.status, 200, reply.body)
      const read = application.understood.at(-1)
      assert.ok(read !== undefined)
      return read.headers
    }

    for (const [what, names] of families) {
      test(`no spelling of ${what} gets past an answer that says who it is (B14)`, async () => {
        for (const batch of batches(names)) {
          const headers = await readBy(alice, '/private', batch)
          assert.doesNotMatch(JSON.stringify(headers), /mallory/)
          assert.deepEqual(headers['x-auth-request-user'], ['alice@demo.test'])
          assert.deepEqual(headers['x-auth-request-groups'], ['admins,users'])
          assert.equal(headers['x-access-token']?.length, 1)
        }
      })

      test(`no spelling of ${what} gets past an answer that says nobody (B14)`, async () => {
        for (const batch of batches(names)) {
          const headers = await readBy(createHttpClient(), '/public', batch)
          assert.doesNotMatch(JSON.stringify(headers), /mallory/)
          for (const field of [...identityHeaders, configured]) {
            assert.equal((headers[field.toLowerCase()] ?? []).join(''), '', field)
          }
        }
      })
    }

    if (name === 'HAProxy') {
      test('a header that Foregate sends and the list lacks does not come from the client instead (B14)', async () => {
        for (const client of [alice, createHttpClient()]) {
          const headers = await readBy(client, '/public', [forgotten, 'X-Team', 'X_Team'])
          assert.equal(headers['x-department'], undefined)
          assert.equal(headers['x-team'], undefined)
        }
      })
    }

    for (const line of oddLines) {
      test(`the line ${JSON.stringify(line)} names nobody (B14)`, async () => {
        const before = application.understood.length
        const head = ['GET /public HTTP/1.1', `Host: localhost:${site.port}`, line, 'Connection: close', '', '']
        const reply = await sendRaw(site.port, head.join('\r\n'))
        reply.socket.destroy()
        for (const { headers } of application.understood.slice(before)) {
          assert.equal((headers['x-auth-request-user'] ?? []).join(''), '')
        }
      })
    }

    test('headers of the application itself pass', async () => {
      const sent = { 'X-CSRF-Token': 'a', 'X-Requested-With': 'b', 'X-Auth-Token': 'c', 'If-None-Match': 'd' }
      const reply = await alice.send(`${site.url}/private`, { headers: sent })
      assert.equal(reply.status, 200)
      const headers = application.understood.at(-1)?.headers ?? {}
      for (const [field, value] of Object.entries(sent)) assert.deepEqual(headers[field.toLowerCase()], [value])
    })
  })
}
