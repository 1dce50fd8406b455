import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/config.ts'
import { createUpstreamChoice, readTarget, upstreamPath } from '../../src/proxy/target.ts'
import { admitted, anUpstream, createCleanUp, sendRaw, startProxy, startUpstream, statusOf } from './running.ts'

const cleanUp = createCleanUp()
afterEach(() => cleanUp.run())

const hostile = [
  '/a/..;/admin',
  '/a/..;x=1/admin',
  '/a/..%3b/admin',
  '/a/.;/admin',
  '/a/../admin',
  '/..',
  '/a/./b',
  '/a/%2e%2e/admin',
  '/a/%2E./admin',
  '/a%2f..%2fadmin',
  '/a%2F%2e%2e/admin',
  '/a/..%2Fadmin',
  '/a/..;x%2fadmin',
  '/%2e%2e%2fadmin',
  '/a%5cb',
  '/a%5Cb',
  '/a\\b',
  '/\\evil.example',
  '//evil.example/x',
  '/a#b',
  '/a?x#b',
  '/a%00b',
  '/a%0d%0aX-Evil:1',
  '/a%0Ab',
  '/a%7f',
  '/a\u0001b',
  '/a\tb',
  '/a\u007f',
  '/a\u00e4',
  '/a%zz',
  '/a%',
  '/a%c0%af',
  '/a%e4',
  'http://evil.example/',
  'a',
  '*',
  '',
]
for (const target of hostile) {
  test(`the target ${JSON.stringify(target)} is refused`, () => assert.equal(readTarget(target), undefined))
}

const harmless: [target: string, path: string][] = [
  ['/', '/'],
  ['/a/b?x=/../%2f;#'.replace('#', ''), '/a/b'],
  ['/a;v=1/b', '/a;v=1/b'],
  ['/%61dmin', '/admin'],
  ['/a%20b/%C3%BC', '/a b/ü'],
  ['/a//b', '/a/b'],
  ['/...', '/...'],
  ['/a..b/.well-known', '/a..b/.well-known'],
  ['/100%25', '/100%'],
  ['/a?b?c', '/a'],
  ['/a%2fb/c%2Fd', '/a%2Fb/c%2Fd'],
  ['/a%252fb', '/a%2fb'],
  ['/a?path=C:\\x\\y', '/a'],
]
for (const [target, path] of harmless) {
  test(`the target ${target} is passed on, and chosen by ${path}`, () => {
    assert.deepEqual(readTarget(target), { rawPath: target.split('?')[0], path })
  })
}

test('no hostile target reaches an upstream or the decision, sent over a raw socket', async () => {
  let reached = 0
  const upstream = await startUpstream((_request, response) => {
    reached++
    response.end()
  }, cleanUp)
  const { port } = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`)], cleanUp, {
    authorize: () => {
      reached++
      return admitted()
    },
  })
  for (const target of hostile.filter((target) => target !== '')) {
    const answer = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n`)
    assert.equal(statusOf(answer), 400, target)
  }
  assert.equal(reached, 0)
})

test('the path and query arrive byte for byte', async () => {
  const urls: (string | undefined)[] = []
  const upstream = await startUpstream((request, response) => {
    urls.push(request.url)
    response.end()
  }, cleanUp)
  const { port } = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`)], cleanUp)
  const targets = [
    '/a//b/%61?x=%2F&y=a?b&z={"k":1}|^`',
    '/a;v=1/b?',
    '/%C3%BC/100%25',
    '/a+b~!$&()*,=:@?+',
    "/it's",
    '/group%2Fproject/%2fx?y=%2F',
    '/a?p=C:\\x\\',
  ]
  for (const target of targets) {
    await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n`)
  }
  assert.deepEqual(urls, targets)
})

const upstreams: UpstreamConfig[] = [
  anUpstream('http://any'),
  anUpstream('http://any-app', { path: '/app' }),
  anUpstream('http://any-deep/base', { path: '/app/deep/' }),
  anUpstream('http://wild', { host: '*.example.com' }),
  anUpstream('http://wilder', { host: '*.eu.example.com' }),
  anUpstream('http://exact', { host: 'app.example.com' }),
  anUpstream('http://exact-api', { host: 'app.example.com', path: '/api' }),
  anUpstream('http://port', { host: 'app.example.com:8443' }),
]
const choices: [host: string, path: string, origin: string][] = [
  ['other.org', '/', 'http://any'],
  ['other.org', '/app', 'http://any-app'],
  ['other.org', '/app/x', 'http://any-app'],
  ['other.org', '/apple', 'http://any'],
  ['other.org', '/app/deep', 'http://any-deep'],
  ['other.org', '/app/deep/x', 'http://any-deep'],
  ['x.example.com', '/app', 'http://wild'],
  ['example.com', '/', 'http://any'],
  ['notexample.com', '/', 'http://any'],
  ['x.eu.example.com', '/', 'http://wilder'],
  ['app.example.com', '/', 'http://exact'],
  ['APP.example.com', '/', 'http://exact'],
  ['app.example.com:9000', '/', 'http://exact'],
  ['app.example.com', '/api/v1', 'http://exact-api'],
  ['app.example.com', '/apis', 'http://exact'],
  ['app.example.com:8443', '/api', 'http://port'],
]
for (const [host, path, origin] of choices) {
  test(`${host}${path} goes to ${origin}`, () => {
    assert.equal(createUpstreamChoice(upstreams)(host, path)?.origin, origin)
    assert.equal(createUpstreamChoice(upstreams.toReversed())(host, path)?.origin, origin)
  })
}

test('without a matching upstream there is none', () => {
  const choose = createUpstreamChoice([anUpstream('http://a', { host: 'a.example', path: '/x' })])
  assert.equal(choose('a.example', '/y'), undefined)
  assert.equal(choose('b.example', '/x'), undefined)
})

const paths: [prefix: string, url: string, raw: string, arrives: string][] = [
  ['/', 'http://u', '/a/b', '/a/b'],
  ['/app', 'http://u', '/app/x', '/app/x'],
  ['/app', 'http://u/', '/app/x', '/app/x'],
  ['/app', 'http://u/base', '/app/x', '/base/x'],
  ['/app', 'http://u/base/', '/app/x/', '/base/x/'],
  ['/app', 'http://u/base', '/app', '/base/'],
  ['/app', 'http://u/base', '/%61pp/x%20y', '/base/x%20y'],
  ['/a/b', 'http://u/base', '/a//b/c', '/base/c'],
  ['/', 'http://u/base', '/x', '/base/x'],
]
for (const [prefix, url, raw, arrives] of paths) {
  test(`at ${prefix} the path ${raw} arrives at ${url} as ${arrives}`, () => {
    const choose = createUpstreamChoice([anUpstream(url, { path: prefix })])
    const target = readTarget(raw)
    assert.ok(target !== undefined)
    const upstream = choose('h', target.path)
    assert.ok(upstream !== undefined)
    assert.equal(upstreamPath(upstream, target), arrives)
  })
}
