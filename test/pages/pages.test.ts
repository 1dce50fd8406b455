import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { assert as check, constantFrom, oneof, property, record, string, webUrl } from 'fast-check'
import type { PagesConfig } from '../../src/config/config.ts'
import { ConfigInvalid } from '../../src/errors.ts'
import { createPages } from '../../src/pages/create-pages.ts'
import type { OwnSessions, Pages } from '../../src/pages/pages.ts'
import { denialTexts, errorTexts } from '../../src/pages/texts.ts'

type PageLook = Omit<PagesConfig, 'skipSignIn'>

const config: PageLook = { name: 'Example', logo: undefined, accentColor: undefined }
const pages = createPages(config)

const ownSessions = (text: string, url: string): OwnSessions => {
  const session = { id: text, createdAt: 0, network: text, browser: text }
  return {
    user: text,
    action: url,
    homeURL: url,
    now: 60_000,
    current: session,
    others: [{ ...session, lastSeenAt: 0 }],
    hasMore: true,
  }
}

/** Every page, with the same text in each place that takes one. */
const everyPage = (pages: Pages, text: string, url: string): readonly string[] => [
  pages.signIn({ loginURL: url }),
  pages.error({ status: 400, reason: text, requestId: text, retryURL: url }),
  pages.forbidden({ user: text, switchAccountURL: url, logoutURL: url, requestId: text, reason: text }),
  pages.error({ status: 400, reason: text, requestId: text, retryURL: url, retriesByItself: true }),
  pages.signedOut({ loginURL: url }),
  pages.goOn({ url }),
  pages.confirmLogout({ action: url, user: text, sessionsURL: url }),
  pages.sessions(ownSessions(text, url)),
]
const plain = everyPage(pages, 'Ann', '/x')

/** Tags with their attributes, as a browser would cut them; throws where quotes do not add up. */
function tagsOf(document: string): { name: string; attributes: Record<string, string> }[] {
  const withoutStyle = document.replace(/<style>[^<]*<\/style>/, '<style></style>')
  return [...withoutStyle.matchAll(/<([^>]*)>/g)].map(([, inside = '']) => {
    const tag = /^(\/?[!a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*\/?$/i.exec(inside)
    assert.ok(tag !== null, `not a well-formed tag: <${inside}>`)
    const attributes = [...(tag[2] ?? '').matchAll(/([a-z-]+)(?:="([^"]*)")?/gi)]
    return {
      name: (tag[1] ?? '').toLowerCase(),
      attributes: Object.fromEntries(attributes.map(([, name = '', value = '']) => [name.toLowerCase(), value])),
    }
  })
}

const shape = (document: string) =>
  tagsOf(document).map(({ name, attributes }) => [name, ...Object.keys(attributes)].join(' '))

const hostileTexts = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</title><script>alert(1)</script>',
  '</style><script>alert(1)</script>',
  '<!--',
  ']]>',
  '&lt;script&gt;',
  '\u0000<\u0000script>',
  '`${alert(1)}`',
  '\u202egnp.exe',
  '\ud800',
  'constructor',
  '__proto__',
]

test('no text changes the structure of a page: same tags, same attributes', () => {
  for (const text of hostileTexts) {
    for (const [index, document] of everyPage(pages, text, '/x').entries()) {
      assert.deepEqual(shape(document), shape(plain[index] ?? ''), text)
    }
  }
})

test('no generated text or URL changes the structure of a page', () => {
  const fragments = constantFrom(
    '<',
    '>',
    '"',
    "'",
    '`',
    '&',
    '=',
    '/',
    '\\',
    'script',
    'on',
    'javascript:',
    '\n',
    '\t',
    ' ',
    '<!--',
  )
  const anyText = oneof(string({ unit: 'binary' }), string({ unit: fragments }), constantFrom(...hostileTexts))
  check(
    property(
      record({
        text: anyText,
        url: oneof(
          anyText,
          webUrl(),
          anyText.map((text) => `/${text}`),
        ),
      }),
      ({ text, url }) => {
        for (const [index, document] of everyPage(pages, text, url).entries()) {
          assert.deepEqual(shape(document), shape(plain[index] ?? ''))
          assert.doesNotMatch(document, /<script/i)
        }
      },
    ),
    { numRuns: 300 },
  )
})

const urls: [given: string, written: string][] = [
  ['/oauth2/start?rd=%2Fx&y=1', '/oauth2/start?rd=%2Fx&#38;y=1'],
  ['https://op.example/auth?x="y', 'https://op.example/auth?x=&#34;y'],
  ['http://localhost:4000/', 'http://localhost:4000/'],
  ['javascript:alert(1)', '#'],
  ['JaVaScRiPt:alert(1)', '#'],
  [' javascript:alert(1)', '#'],
  ['java\tscript:alert(1)', '#'],
  ['data:text/html,<script>alert(1)</script>', '#'],
  ['vbscript:x', '#'],
  ['//evil.example', '#'],
  ['/\\evil.example', '#'],
  ['\\\\evil.example', '#'],
  ['/\t/evil.example', '#'],
  ['https:evil.example', '#'],
  ['https:///evil.example', '#'],
  ['relative', '#'],
  ['', '#'],
]
for (const [given, written] of urls) {
  test(`a link to ${JSON.stringify(given)} is written as ${written}`, () => {
    const link = tagsOf(pages.signIn({ loginURL: given })).find(({ name }) => name === 'a')
    assert.equal(link?.attributes['href'], written)
    const form = tagsOf(pages.confirmLogout({ action: given, user: undefined, sessionsURL: '/' })).find(
      ({ name }) => name === 'form',
    )
    assert.equal(form?.attributes['action'], written)
  })
}

const configs: [name: string, config: PageLook][] = [
  ['the defaults', config],
  ['a colour', { ...config, accentColor: '#0a7' }],
  ['a data: logo', { ...config, logo: 'data:image/svg+xml;base64,PHN2Zy8+' }],
  ['an https logo', { ...config, logo: 'https://cdn.example/logo.png?v=1' }],
  ['a hostile name', { ...config, name: '</title><script>' }],
]
for (const [name, config] of configs) {
  test(`with ${name} the policy allows exactly the style on the page and nothing else of its kind`, () => {
    const made = createPages(config)
    const policy = made.headers['content-security-policy'] ?? ''
    for (const document of everyPage(made, 'Ann', '/x')) {
      const styles = [...document.matchAll(/<style>([^<]*)<\/style>/g)]
      assert.equal(styles.length, 1)
      const hash = createHash('sha256')
        .update(styles[0]?.[1] ?? '')
        .digest('base64')
      assert.match(policy, new RegExp(`style-src 'sha256-${hash.replaceAll(/[+/]/g, '\\$&')}';`))
      for (const { name, attributes } of tagsOf(document)) {
        assert.notEqual(name, 'script')
        assert.notEqual(name, 'link')
        for (const attribute of Object.keys(attributes)) assert.doesNotMatch(attribute, /^(style|on.*)$/)
      }
    }
    assert.match(policy, /^default-src 'none'; /)
    for (const part of ["base-uri 'none'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), part)
    assert.doesNotMatch(policy, /unsafe|script-src|\*/)
  })
}

const policyFor = (logo: string | undefined) =>
  createPages({ ...config, logo }).headers['content-security-policy'] ?? ''

test('pictures are allowed from where the logo is, and from nowhere without one', () => {
  assert.doesNotMatch(policyFor(undefined), /img-src/)
  assert.match(policyFor('https://cdn.example/logo.png'), /; img-src https:\/\/cdn\.example;/)
  assert.match(policyFor('data:image/png;base64,AAAA'), /; img-src data:;/)
})

test('the logo is on the page as configured, without words that the name beside it already says', () => {
  const [document = ''] = everyPage(createPages({ ...config, logo: 'https://cdn.example/logo.png?v=1&x=2' }), 'x', '/')
  const picture = tagsOf(document).find(({ name }) => name === 'img')
  assert.deepEqual(picture?.attributes, { src: 'https://cdn.example/logo.png?v=1&#38;x=2', alt: '', height: '44' })
})

const refusedConfigs: [name: string, config: PageLook][] = [
  ['a colour that is CSS', { ...config, accentColor: 'red;}body{display:none' }],
  ['a colour by name', { ...config, accentColor: 'red' }],
  ['a script as logo', { ...config, logo: 'javascript:alert(1)' }],
  ['a document as logo', { ...config, logo: 'data:text/html,x' }],
  ['an http logo', { ...config, logo: 'http://cdn.example/logo.png' }],
  ['a logo that leaves its attribute', { ...config, logo: 'data:image/png,"><script>' }],
]
for (const [name, config] of refusedConfigs) {
  test(`${name} is refused at start`, () => assert.throws(() => createPages(config), ConfigInvalid))
}

test('no page is kept, framed, sniffed or sends its address to others; same-origin requests keep their Origin', () => {
  const { 'content-security-policy': _, ...headers } = pages.headers
  assert.deepEqual(headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
})

test('every reason has a title, what happened and what to do next, in whole sentences', () => {
  for (const [reason, { title, what, next }] of Object.entries(errorTexts)) {
    assert.match(title, /^[A-Z].*[^.]$/, reason)
    for (const sentence of [what, next]) assert.match(sentence, /^[A-Z].*[.]$/, reason)
    const document = pages.error({ status: 400, reason, requestId: 'req-1', retryURL: '/again' })
    for (const part of [title, reason, 'req-1', 'href="/again"']) {
      assert.ok(document.includes(part.replaceAll("'", '&#39;')), `${reason}: ${part}`)
    }
  }
  for (const sentence of Object.values(denialTexts)) assert.match(sentence, /^[A-Z].*[.]$/)
})

const page = (status: number, reason: string) => pages.error({ status, reason, requestId: 'r', retryURL: undefined })

test('an unknown reason gets general words that fit the status, and is still shown', () => {
  assert.match(page(500, 'what_is_this'), /Something went wrong[\s\S]*what_is_this \(500\)/)
  assert.match(page(400, 'what_is_this'), /could not understand/)
  assert.match(page(403, 'denied_by_rule'), /do not have access[\s\S]*closed to everybody/)
  for (const inherited of ['constructor', 'toString', '__proto__'])
    assert.match(page(500, inherited), /Something went wrong/)
})

test('without a place to try again there is no button that leads nowhere', () => {
  const document = pages.error({ status: 500, reason: 'internal', requestId: 'r', retryURL: undefined })
  assert.equal(
    tagsOf(document).some(({ name }) => name === 'a'),
    false,
  )
})

test('the forbidden page says who is signed in, why, and offers another account and a way out', () => {
  const document = pages.forbidden({
    user: 'ann@example.com',
    switchAccountURL: '/switch',
    logoutURL: '/out',
    requestId: 'r',
    reason: 'group_not_allowed',
  })
  assert.match(document, /<bdi>ann@example\.com<\/bdi>/)
  assert.match(document, /none of the groups/)
  assert.match(document, /group_not_allowed \(403\)/)
  assert.deepEqual(
    tagsOf(document)
      .filter(({ name }) => name === 'a')
      .map(({ attributes }) => attributes['href']),
    ['/switch', '/out'],
  )
})

test('the logout form posts to the given address and needs no script', () => {
  const form = tagsOf(
    pages.confirmLogout({ action: '/oauth2/logout', user: 'ann', sessionsURL: '/oauth2/sessions' }),
  ).find(({ name }) => name === 'form')
  assert.deepEqual(form?.attributes, { method: 'post', action: '/oauth2/logout' })
})

test('every page has a language, a viewport, one heading of the first level and a title with the operator name', () => {
  for (const document of plain) {
    assert.match(document, /^<!doctype html>\s*<html lang="en" dir="ltr">/)
    assert.match(document, /<meta name="viewport"/)
    assert.equal(document.match(/<h1>/g)?.length, 1)
    assert.match(document, /<title>[^<]+ · Example<\/title>/)
  }
})

test('whose application does not answer is not told that they are signed in: its page may be public', () => {
  for (const reason of ['bad_gateway', 'gateway_timeout'] as const) {
    assert.doesNotMatch(errorTexts[reason].what, /signed in/)
  }
})
