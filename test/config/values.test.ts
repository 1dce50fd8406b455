import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { Wrong } from '../../src/config/option.ts'
import {
  address,
  cookieDomain,
  hostPattern,
  listenAddress,
  mailDomain,
  origin,
  proxyRange,
  webURL,
} from '../../src/config/network.ts'
import { covers, pathPattern, plainPath } from '../../src/config/url-path.ts'
import { durationMs, flag, integer, text } from '../../src/config/values.ts'

const durations: [written: unknown, ms: number | undefined][] = [
  [5, 5_000],
  ['5', 5_000],
  [0.25, 250],
  [0, 0],
  ['250ms', 250],
  ['5s', 5_000],
  ['1.5s', 1_500],
  ['10m', 600_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['1h30m0s', 5_400_000],
  [' 5s ', 5_000],
  ['', undefined],
  ['5 s', undefined],
  ['5S', undefined],
  ['-5s', undefined],
  [-1, undefined],
  ['5w', undefined],
  ['s', undefined],
  [Number.NaN, undefined],
  [Infinity, undefined],
  [true, undefined],
  [[], undefined],
]
for (const [written, ms] of durations) {
  test(`the duration ${JSON.stringify(written)} is ${ms} ms`, () => assert.equal(durationMs(written), ms))
}

type Case = [name: string, read: (value: unknown) => unknown, good: [value: unknown, result: unknown][], bad: unknown[]]
const readers: Case[] = [
  [
    'a switch',
    flag,
    [
      [true, true],
      ['true', true],
      ['1', true],
      ['off', false],
      ['No', false],
    ],
    [1, 'maybe', '', null, 'constructor'],
  ],
  [
    'a whole number',
    integer(0, 15),
    [
      [0, 0],
      ['15', 15],
    ],
    [16, -1, 1.5, '1e1', '', 'x', null, '0x1'],
  ],
  [
    'text',
    text,
    [
      ['a b', 'a b'],
      [' a ', 'a'],
    ],
    ['', ' ', 7, true, null, ['a'], 'a\nb', 'a\0'],
  ],
  [
    'a server',
    address,
    [
      ['redis:6379', { host: 'redis', port: 6_379 }],
      ['[::1]:6379', { host: '::1', port: 6_379 }],
      ['Redis.NS:1', { host: 'redis.ns', port: 1 }],
    ],
    ['redis', ':6379', 'redis:0', 'redis:65536', '::1:6379', 'redis://r:1', '[x]:1', 6_379, 'a b:1', 'u@h:1'],
  ],
  [
    'an address to listen on',
    listenAddress,
    [
      ['0.0.0.0:4180', { host: '0.0.0.0', port: 4_180 }],
      [':4180', { host: '0.0.0.0', port: 4_180 }],
      ['[::]:4180', { host: '::', port: 4_180 }],
      ['4180', { host: '0.0.0.0', port: 4_180 }],
      [4_180, { host: '0.0.0.0', port: 4_180 }],
    ],
    ['localhost', '70000', 'a b:1', '', '::', 'http://x:1'],
  ],
  [
    'a trusted range',
    proxyRange,
    [
      ['10.0.0.0/8', '10.0.0.0/8'],
      ['127.0.0.1', '127.0.0.1'],
      ['fd00::/8', 'fd00::/8'],
      ['::1', '::1'],
      ['::ffff:10.0.0.0/104', '::ffff:10.0.0.0/104'],
    ],
    [
      '0.0.0.0/0',
      '::/0',
      '0.0.0.0/1',
      '128.0.0.0/1',
      '2000::/3',
      '::ffff:0.0.0.0/96',
      '0:0:0:0:0:ffff::/100',
      '::ffff:10.0.0.0/95',
      '127.1',
      '0x7f.0.0.1',
      '10.0.0.0/33',
      '10.0.0/8',
      'proxy',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      'fe80::1%eth0',
    ],
  ],
  [
    'a host pattern',
    hostPattern,
    [
      ['App.Example.com', 'app.example.com'],
      ['app.example.com.', 'app.example.com'],
      ['a.b:8443', 'a.b:8443'],
      ['.example.com', '*.example.com'],
      ['*.example.com', '*.example.com'],
      ['[::1]:80', '[::1]:80'],
    ],
    ['https://a.b', 'a.b/c', '*', '*.com', 'a*.b', 'a b', 'a.b@c', 'a..b', ''],
  ],
  [
    'a mail domain',
    mailDomain,
    [
      ['Example.com', 'example.com'],
      ['@example.com', 'example.com'],
    ],
    ['a@example.com', '*', ''],
  ],
  [
    'a cookie domain',
    cookieDomain,
    [
      ['example.com', 'example.com'],
      ['.Example.com', 'example.com'],
    ],
    [
      'com',
      'localhost',
      'https://example.com',
      'example.com:443',
      'example.com/',
      '10.0.0.1',
      '..example.com',
      '*.example.com',
    ],
  ],
  [
    'a URL',
    webURL,
    [
      ['https://id.example.com', 'https://id.example.com'],
      ['https://id.example.com/realms/a/', 'https://id.example.com/realms/a/'],
    ],
    [
      'id.example.com',
      'ftp://x',
      'https://',
      'https:\\\\x',
      'https://u:p@x',
      'https://x/#f',
      'https://x y',
      'javascript:alert(1)',
    ],
  ],
  [
    'an origin',
    origin,
    [
      ['https://a.example/', 'https://a.example'],
      ['http://LOCALHOST:80', 'http://localhost'],
    ],
    ['https://a.example/x', 'https://a.example/?q'],
  ],
  [
    'a path',
    plainPath,
    [
      ['/a/b', '/a/b'],
      ['/a/', '/a'],
      ['/', '/'],
    ],
    [
      'a',
      '',
      '/a?b',
      '/a#b',
      '/a//b',
      '/a/../b',
      '/a/.',
      '/%61',
      '/a;b',
      String.raw`/a\b`,
      '/a b',
      '/ä',
      'https://x/a',
    ],
  ],
  [
    'a path pattern',
    pathPattern,
    [
      ['/a/*/b', '/a/*/b'],
      ['/**/x', '/**/x'],
      ['/café/%C3%A9/', '/café/%C3%A9'],
      ['/my files', '/my files'],
    ],
    ['/a*', '/*.js', '/a/***', 'a', '/a?b', '/a//b', '/a/..', '/a;b'],
  ],
]
for (const [name, read, good, bad] of readers) {
  for (const [value, result] of good) {
    test(`${name} may be written ${JSON.stringify(value)}`, () => assert.deepEqual(read(value), result))
  }
  for (const value of bad) {
    test(`${name} is not ${JSON.stringify(value)}`, () => assert.ok(read(value) instanceof Wrong))
  }
}

const coverage: [pattern: string, path: string, covered: boolean][] = [
  ['/', '/oauth2/callback', true],
  ['/oauth2', '/oauth2/callback', true],
  ['/oauth2/callback/x', '/oauth2/callback', false],
  ['/oauth', '/oauth2/callback', false],
  ['/%6fauth2', '/oauth2/callback', true],
  ['/*', '/oauth2/callback', true],
  ['/*/callback', '/oauth2/callback', true],
  ['/**/callback', '/oauth2/callback', true],
  ['/**', '/oauth2/callback', true],
  ['/*/*/*', '/oauth2/callback', false],
  ['/**/health', '/oauth2/callback', false],
]
for (const [pattern, path, covered] of coverage) {
  test(`${pattern} ${covered ? 'covers' : 'does not cover'} ${path}`, () =>
    assert.equal(covers(pattern, path), covered))
}

test('no reader ever throws, whatever it is given', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.string({ unit: 'binary' }), fc.webUrl(), fc.ipV6()), (value) => {
      for (const [, read] of readers) read(value)
      durationMs(value)
    }),
  )
})
