import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { afterEach, test } from 'node:test'
import { assert as check, array, constantFrom, property, stringMatching } from 'fast-check'
import { responseHeaders, withoutOurCookies } from '../../src/proxy/headers.ts'
import { anUpstream, createCleanUp, headersOf, sendRaw, startProxy, startUpstream, statusOf } from './running.ts'

const cleanUp = createCleanUp()
afterEach(() => cleanUp.run())

/** What arrives at the upstream when these header lines are sent. */
async function arriving(lines: readonly string[]) {
  const received: [string, string][][] = []
  const upstream = await startUpstream((request: IncomingMessage, response) => {
    received.push(headersOf(request))
    response.end('ok')
  }, cleanUp)
  const { port } = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`)], cleanUp)
  const close = lines.some((line) => /^connection:/i.test(line)) ? [] : ['Connection: close']
  const answer = await sendRaw(port, ['GET / HTTP/1.1', 'Host: app.example', ...close, ...lines, '', ''].join('\r\n'))
  return { answer, headers: received[0] ?? [], upstream }
}
const valuesOf = (headers: [string, string][], pattern: RegExp) =>
  headers.filter(([name]) => pattern.test(name.replaceAll(/[^a-z0-9]/g, '-'))).map(([, value]) => value)

const smuggled = [
  'X-Auth-Request-User: root',
  'x-auth-request-user: root',
  'X_Auth_Request_User: root',
  'X.Auth.Request.User: root',
  'X-Auth_Request.User: root',
  'x~auth~request~user: root',
  'X-AUTH-REQUEST-USER: root\r\nX-Auth-Request-User: root',
  'X-Auth-Request-Email: root',
  'X_Auth_Request_Groups: root',
  'X-Auth-Request-Access-Token: root',
  'X-Team: root',
  'x_team: root',
  'X-Forwarded-User: root',
  'X_Forwarded_User: root',
  'X-Forwarded-Groups: root',
  'X-Forwarded-For: root',
  'X_Forwarded_For: root',
  'X-Forwarded-Proto: root',
  'X-Forwarded-Host: root',
  'X.Forwarded.Host: root',
  'X-Forwarded-Port: root',
  'X-Forwarded-Prefix: root',
  'Forwarded: for=root',
  'X-Real-IP: root',
  'X_Real_IP: root',
  'X-Original-URL: /root',
  'X-Rewrite-URL: /root',
]
for (const line of smuggled) {
  test(`a client that sends ${JSON.stringify(line)} has no say in who it is or where it comes from`, async () => {
    const { headers } = await arriving([line])
    assert.doesNotMatch(JSON.stringify(headers), /root/)
    assert.deepEqual(valuesOf(headers, /^x-auth-request-user$/), ['ann'])
    assert.deepEqual(valuesOf(headers, /^x-auth-request-email$/), [''])
    assert.deepEqual(valuesOf(headers, /^x-team$/), ['blue'])
    assert.deepEqual(valuesOf(headers, /^x-forwarded-for$/), ['192.0.2.7'])
    assert.deepEqual(valuesOf(headers, /^x-forwarded-proto$/), ['https'])
    assert.deepEqual(valuesOf(headers, /^x-forwarded-host$/), ['app.example'])
  })
}

const nominations = [
  'Connection: close, x-auth-request-user',
  'Connection: close, X-Auth-Request-User, x-forwarded-for, x-team',
  'Connection: close\r\nConnection: x-auth-request-user',
  'Connection: close, x-auth-request-user\r\nX-Auth-Request-User: root',
  'Connection: close\r\nKeep-Alive: x-auth-request-user\r\nTE: trailers',
]
for (const line of nominations) {
  test(`${JSON.stringify(line)} does not take our headers away (CVE-2026-33805)`, async () => {
    const { headers } = await arriving([line])
    assert.deepEqual(valuesOf(headers, /^x-auth-request-user$/), ['ann'])
    assert.deepEqual(valuesOf(headers, /^x-forwarded-for$/), ['192.0.2.7'])
    assert.deepEqual(valuesOf(headers, /^x-team$/), ['blue'])
    assert.deepEqual(valuesOf(headers, /^(te|keep-alive|trailer|upgrade)$/), [])
  })
}

test('everything else arrives as it was sent, the browser’s Host, too (C6)', async () => {
  const { headers } = await arriving([
    'Accept: text/html;q=0.9, */*',
    'X-Custom_Header: 1',
    'Authorization: Basic abc',
    '__proto__: x',
    'Proxy-Authorization: Basic abc',
    'Expect: 100-continue',
  ])
  assert.deepEqual(valuesOf(headers, /^accept$/), ['text/html;q=0.9, */*'])
  assert.deepEqual(valuesOf(headers, /^x-custom-header$/), ['1'])
  assert.deepEqual(valuesOf(headers, /^authorization$/), ['Basic abc'])
  assert.deepEqual(valuesOf(headers, /^host$/), ['app.example'])
  assert.deepEqual(valuesOf(headers, /^(proxy-authorization|expect)$/), [])
})

test('how long a body is is said once, in no other spelling', async () => {
  const { headers } = await arriving(['Content_Length: 7', 'Content.Length: 8', 'Transfer_Encoding: chunked'])
  assert.deepEqual(valuesOf(headers, /^(content-length|transfer-encoding)$/), [])
})

const cookies: [name: string, sent: string[], arrives: string[]][] = [
  ['ours alone', ['__Host-foregate=abc'], []],
  ['ours first', ['__Host-foregate=abc; a=1'], ['a=1']],
  [
    'ours in the middle, the others byte for byte',
    ['a=1;  b="x y" ; __Host-foregate=abc; c=%3B=='],
    ['a=1;  b="x y" ; c=%3B=='],
  ],
  ['ours twice and a flow', ['__Host-foregate=a; x=1; __Host-foregate=b; __Host-foregate-flow-Zz9=c'], ['x=1']],
  ['ours without a value', ['__Host-foregate; a=1'], ['a=1']],
  ['ours with spaces around its name', ['a=1;   __Host-foregate  =abc'], ['a=1']],
  ['a name that only begins like ours', ['__Host-foregate2=abc'], ['__Host-foregate2=abc']],
  ['none of ours', ['a=1;b=2 ;; c'], ['a=1;b=2 ;; c']],
  ['two Cookie headers', ['a=1; __Host-foregate=x', '__Host-foregate=y; b=2'], ['a=1; b=2']],
]
for (const [name, sent, arrives] of cookies) {
  test(`cookies: ${name}`, async () => {
    const { headers } = await arriving(sent.map((value) => `Cookie: ${value}`))
    assert.deepEqual(valuesOf(headers, /^cookie$/), arrives)
  })
}

test('no generated Cookie header lets one of ours through, and none loses another one', () => {
  const isOurs = (name: string) => name === 'ours'
  const pair = constantFrom('ours=1', ' ours =2', 'ours', '\tours=3', 'a=1', ' b', '', 'ours2=x', ' c=ours')
  check(
    property(array(pair, { maxLength: 8 }), stringMatching(/^[a-z]{0,3}$/), (pairs, tail) => {
      const sent = [...pairs, tail].join(';')
      const names = (header: string | undefined) =>
        (header ?? '')
          .split(';')
          .map((pair) => (pair.split('=')[0] ?? '').trim())
          .filter((name) => name !== '')
      assert.deepEqual(
        names(withoutOurCookies(sent, isOurs)),
        names(sent).filter((name) => name !== 'ours'),
      )
    }),
  )
})

test('an application neither sets nor deletes our cookies, and its hop-by-hop headers stay where they are', () => {
  const back = responseHeaders(
    {
      connection: 'keep-alive, x-hop',
      'keep-alive': 'timeout=5',
      'x-hop': '1',
      'x-app': '1',
      'set-cookie': ['a=1; Path=/', '__Host-foregate=evil; Path=/; Secure', ' __Host-foregate = evil'],
    },
    { ourCookieNames: (name) => name === '__Host-foregate', upstreamOrigin: 'http://u', publicOrigin: 'https://p' },
  )
  assert.deepEqual(back, { 'x-app': '1', 'set-cookie': ['a=1; Path=/'] })
})

test('an application sets none of our cookies by one that has no name: browsers send back its value alone', () => {
  const planted = ['=foregate=evil; Path=/', ' = foregate=evil', '\t=\tforegate=evil', '=foregate']
  const { 'set-cookie': passed } = responseHeaders(
    { 'set-cookie': [...planted, '=theirs=1', '==foregate=no name'] },
    { ourCookieNames: (name) => name === 'foregate', upstreamOrigin: 'http://u', publicOrigin: 'https://p' },
  )
  assert.deepEqual(passed, ['=theirs=1', '==foregate=no name'])
})

const locations: [given: string, back: string][] = [
  ['http://127.0.0.1:3000/login?x=1', 'https://app.example/login?x=1'],
  ['http://127.0.0.1:3000', 'https://app.example'],
  ['http://127.0.0.1:30001/login', 'http://127.0.0.1:30001/login'],
  ['/login', '/login'],
  ['https://elsewhere.example/', 'https://elsewhere.example/'],
]
for (const [given, back] of locations) {
  test(`a redirect of the application to ${given} leads the browser to ${back}`, () => {
    const headers = responseHeaders(
      { location: given },
      { ourCookieNames: () => false, upstreamOrigin: 'http://127.0.0.1:3000', publicOrigin: 'https://app.example' },
    )
    assert.equal(headers.location, back)
  })
}

test('header bytes that end a line never get through', async () => {
  const { answer, headers } = await arriving(['X-A: 1\u0000X-Auth-Request-User: root'])
  assert.equal(statusOf(answer), 400)
  assert.deepEqual(headers, [])
})
