// Everything that reads what a stranger sends, before anybody knows who it is, or what a person may choose of themselves (a name,
// a group) and a provider passes on. Each by the door that the service itself uses, so that what stands in front of it is measured
// too. What is slower here than its input is long lets one stranger hold up everybody.
import { randomBytes } from 'node:crypto'
import { stringify } from 'yaml'
import type { Identity } from '../../src/access/access.ts'
import { originalRequest } from '../../src/access/canonical.ts'
import { headerSafe } from '../../src/access/header-value.ts'
import { compileIdentityHeaders } from '../../src/access/identity-headers.ts'
import { parseHostPattern } from '../../src/access/host-pattern.ts'
import { parsePathPattern } from '../../src/access/patterns.ts'
import { compileRules } from '../../src/access/rules.ts'
import { compileTemplate } from '../../src/access/template.ts'
import { createInvalidations } from '../../src/cache/invalidation.ts'
import { createSpoolLines } from '../../src/cache/spool-line.ts'
import { interpolate } from '../../src/config/interpolate.ts'
import type { Contract } from '../../src/config/contracts.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createAddresses } from '../../src/http/addresses.ts'
import { createBrowserCookies } from '../../src/http/browser-cookies.ts'
import { createTrustedPeers } from '../../src/http/client.ts'
import { createReaders, envoyPrefix } from '../../src/http/contracts.ts'
import { isNavigation } from '../../src/http/negotiation.ts'
import { extraOf } from '../../src/http/oauth2-proxy-query.ts'
import { requestIdOf } from '../../src/http/request-id.ts'
import { maxReturnURLLength } from '../../src/http/return-url.ts'
import { createVisitReader } from '../../src/http/visit.ts'
import { createFlows } from '../../src/login/flow.ts'
import { createLoginRateLimit } from '../../src/login/rate-limit.ts'
import { codeOf, errorWord, readCallback } from '../../src/oidc/callback.ts'
import { completed } from '../../src/oidc/claims.ts'
import { checkIDToken } from '../../src/oidc/id-token.ts'
import { maxTokenLength, takeApart } from '../../src/oidc/signature.ts'
import { singleUseKey } from '../../src/oidc/token-answer.ts'
import { jsonObject } from '../../src/oidc/transport.ts'
import { createPages } from '../../src/pages/create-pages.ts'
import { createMessages, maxMessageBytes } from '../../src/peers/message.ts'
import { createRequestHeaders, responseHeaders } from '../../src/proxy/headers.ts'
import { createUpstreamChoice, readTarget, upstreamPath } from '../../src/proxy/target.ts'
import { createSealer } from '../../src/sealing.ts'
import { createSessionCodec } from '../../src/session/codec.ts'
import { createPasses, maxPassLength } from '../../src/session/pass.ts'
import type { Session } from '../../src/session/session.ts'
import { newTicket, parseTicket } from '../../src/session/ticket.ts'
import { redisFault } from '../../src/store/redis/faults.ts'
import { createLogger } from '../../src/telemetry/pino.ts'
import { redactFields, redactText } from '../../src/telemetry/redact.ts'
import { asHeader, type Dialect } from './recipes.ts'

export interface Reader extends Dialect {
  readonly name: string
  /** Characters: as many as can get here. */
  readonly largest: number
  /** The text as its characters can be when they get here. Absent: any. */
  readonly as?: (text: string) => string
  /** Synchronous. May throw what the service expects: an AppError. */
  run(text: string): unknown
}

/** All headers of a request together (`maxHeaderBytes` of http/server.ts), the request line among them. */
const headerSize = 32 * 1024
/** The token that a claim comes in is no longer: base64 makes four characters of three bytes, and text beyond ASCII has two or more. */
const claimSize = maxTokenLength / 4
/** Where redact.ts cuts. */
const logTextSize = 4_096

const { config } = loadConfig({
  text: stringify({
    providerURL: 'https://provider.example',
    clientID: 'client',
    clientSecret: 'Zt5-fuzz-client-secret-8Qw',
    sessionEncryptionKey: 'k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa',
    forceHTTPS: false,
    trustedProxies: ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8'],
    excludedURLs: ['/public', '/assets/*/css'],
    allowedUsers: ['alice@example.com', 'bob'],
    allowedUserDomains: ['example.com', 'example.org'],
    allowedRolesAndGroups: ['admins', 'users'],
    allowedRedirectHosts: ['other.example', '*.apps.example'],
    rules: [
      { host: 'app.example.com', path: '/admin', require: { groups: ['admins'] } },
      { host: '*.example.com', path: '/**/private/*/x', policy: 'deny' },
      { host: '*.a.a', path: '/**/a/**/a/**/b', policy: 'deny' },
      { path: '/a/a/a/*/a', policy: 'public' },
    ],
    headers: [
      { name: 'X-Name', template: '{{.Claims.name}}' },
      { name: 'X-Either', template: 'is {{default "x" (get .Claims "nick.name")}}' },
    ],
    upstreams: [
      { path: '/a/b/c', url: 'http://127.0.0.1:8081/base' },
      { host: '*.example.com', path: '/', url: 'http://127.0.0.1:8080' },
      { path: '/', url: 'http://127.0.0.1:8080/base' },
    ],
  }),
  env: {},
  readFile: () => {
    throw new Error('no files here')
  },
})

const clock = () => 1_700_000_000_000
const keys = config.session.encryptionKeys
const sealer = createSealer(keys, 'fuzz', randomBytes)
const peers = createTrustedPeers(config.server.trustedProxies)
const addresses = createAddresses({
  callbackPath: config.paths.callback,
  logoutPath: config.paths.logout,
  publicURL: undefined,
  forceHTTPS: false,
  cookieDomain: 'example.com',
  allowedRedirectHosts: config.access.allowedRedirectHosts,
})
const browserCookies = createBrowserCookies(config.cookies, { sessionMaxAgeMs: 1_000, passMaxAgeMs: 1_000 })
const rateLimit = createLoginRateLimit(1, clock)
const app = { scheme: 'https', host: 'app.example.com' } as const

const cookieWords = [config.cookies.sessionName, config.cookies.flowPrefix, config.cookies.passName].flatMap((name) => [
  `${name}=`,
  `; ${name}`,
])

const rules = compileRules(config)
const identityHeaders = compileIdentityHeaders(config)
const identityOf = (claims: Identity['claims']): Identity => ({
  subject: 'a',
  issuer: 'https://provider.example',
  claims,
})
const admitted = (claims: Identity['claims']) => {
  for (const requirement of [0, 1]) rules.meets(requirement, identityOf(claims))
  identityHeaders.headersFor(identityOf(claims))
}

/** One contract by one of the headers that it reads, the others being what its proxy sends. */
function byContract(): Reader[] {
  const sane = {
    host: 'app.example.com',
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': '/',
  }
  const starts: Readonly<Record<string, string>> = {
    'x-forwarded-uri': '/',
    'x-original-url': 'https://app.example.com/',
  }
  const contracts = createReaders('traefik')
  const ofContract = (contract: Contract, header: string, start: string): Reader => ({
    name: `the contract ${contract}: ${header}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: ['https://', '/oauth2/'],
    run: (text) => {
      const isNginx = contract === 'nginx'
      const headers = isNginx ? { 'x-original-url': 'https://app.example.com/', 'x-original-method': 'GET' } : sane
      const read = contracts[contract]({
        method: 'GET',
        headers: header === 'url' ? headers : { ...headers, [header]: text },
        url: header === 'url' ? envoyPrefix + text : '/',
      })
      return rules.policyFor(read)
    },
  })
  return [
    ...Object.keys(sane).map((header) => ofContract('traefik', header, starts[header] ?? '')),
    ...['x-original-url', 'x-original-method'].map((header) => ofContract('nginx', header, starts[header] ?? '')),
    ofContract('nginx', 'x-original-url', 'https://a.'),
    ofContract('envoy', 'url', '/'),
    ofContract('envoy', 'host', ''),
    ofContract('oauth2-proxy', 'x-forwarded-uri', '/'),
  ]
}

const request: readonly Reader[] = [
  ...['/', '/?', '/a/', '/%', '//'].map((start) => ({
    name: `the request target after ${start}`,
    as: asHeader,
    largest: headerSize / 2,
    start,
    words: ['..;', '%2e%2e'],
    run: (target: string) => rules.policyFor(originalRequest({ ...app, method: 'GET', target: target })),
  })),
  {
    name: 'the path of a rule among many with wildcards',
    largest: headerSize / 2,
    start: '/',
    words: ['private/', 'a/', 'b/', 'x'],
    run: (target) => {
      for (const host of ['app.example.com', 'a.a.a.a']) {
        rules.policyFor({
          ...app,
          host,
          method: 'GET',
          path: target,
          rawPath: target,
          rawQuery: '',
          ambiguity: undefined,
        })
      }
    },
  },
  {
    name: 'the host',
    as: asHeader,
    largest: headerSize,
    words: ['a.', 'example.com', '0x'],
    run: (host) => rules.policyFor(originalRequest({ ...app, method: 'GET', host: host, target: '/' })),
  },
  {
    name: 'the host, as an IPv6 address',
    as: asHeader,
    largest: headerSize,
    start: '[',
    run: (host) => originalRequest({ ...app, method: 'GET', host: `${host}]`, target: '/' }),
  },
  ...byContract(),
  {
    name: 'X-Forwarded-For',
    as: asHeader,
    largest: headerSize,
    words: ['10.0.0.1,', 'fd00::1, ', '::ffff:10.0.0.1,'],
    run: (text) => rateLimit.allows(peers.clientAddress('127.0.0.1', { 'x-forwarded-for': text })),
  },
  {
    name: 'a long IPv6 address with a zone',
    as: asHeader,
    largest: headerSize,
    start: '10.0.0.1,fe80::1%',
    run: (text) => rateLimit.allows(peers.clientAddress('127.0.0.1', { 'x-forwarded-for': text })),
  },
  {
    name: 'Host and X-Forwarded-Host of a visit',
    as: asHeader,
    largest: headerSize,
    words: ['xn--'],
    run: (text) => {
      const visitOf = createVisitReader({ peers, requestIdOf: () => 'id' })
      const headers = { host: text, 'x-forwarded-host': text, 'x-forwarded-proto': text }
      // Only these fields are read.
      return visitOf({ url: text, headers, socket: { remoteAddress: '127.0.0.1' } } as never)
    },
  },
  {
    name: 'the request id',
    as: asHeader,
    largest: headerSize,
    run: (text) => requestIdOf({ 'x-request-id': text }, () => 'id'),
  },
  {
    name: 'what a request accepts',
    as: asHeader,
    largest: headerSize,
    words: ['text/html', 'navigate'],
    run: (text) => {
      isNavigation('GET', { 'sec-fetch-mode': text })
      return isNavigation('GET', { accept: text })
    },
  },
]

const someTicket = newTicket(randomBytes)
const session: Session = {
  id: someTicket.id,
  subject: 'a',
  issuer: 'https://provider.example',
  providerSessionId: undefined,
  claims: {},
  createdAt: clock(),
  expiresAt: clock() + 1_000_000,
  tokenExpiresAt: clock() + 1_000_000,
  refreshAt: clock() + 1_000_000,
  refreshable: false,
  generation: 1,
}
const flows = createFlows({ sealer, clock, randomBytes })
const started = flows.start({
  redirectURI: 'https://app.example.com/oauth2/callback',
  returnTo: 'https://app.example.com/',
  fresh: false,
  again: false,
})
const passes = createPasses({ sealer, clock, maxAgeMs: 1_000, sessionMaxAgeMs: 1_000, maxLength: maxPassLength })
const codec = createSessionCodec(sealer, 1_000_000)

const cookies: readonly Reader[] = [
  {
    name: 'the Cookie header',
    as: asHeader,
    largest: headerSize,
    words: cookieWords,
    run: (text) => {
      const found = browserCookies.flows(text)
      for (const [, value] of found) flows.isHeldBy(started.flow, value)
      for (const ticket of browserCookies.tickets(text)) parseTicket(ticket)
      const pass = browserCookies.pass(text)
      return pass === undefined ? undefined : passes.open(pass, someTicket)
    },
  },
  {
    name: 'the Cookie header that an application gets',
    as: asHeader,
    largest: headerSize,
    words: cookieWords,
    run: (text) => forApplication({ cookie: text }, {}, { for: 'a', proto: 'https', host: 'a' }),
  },
  {
    name: 'a sealed cookie',
    as: asHeader,
    largest: headerSize,
    start: started.cookie,
    run: (text) => flows.isHeldBy(started.flow, text),
  },
  { name: 'a ticket', as: asHeader, largest: headerSize, words: [someTicket.id], run: (text) => parseTicket(text) },
  {
    name: 'the names that an application may set',
    largest: headerSize,
    words: cookieWords,
    run: (text) =>
      responseHeaders(
        { 'set-cookie': text.split(','), connection: text, location: text },
        { ourCookieNames: browserCookies.isOurs, upstreamOrigin: 'http://a', publicOrigin: 'https://b' },
      ),
  },
]

const addressesOfLogins: readonly Reader[] = [
  ...['', '/', 'https://', 'https://app.example.com/', 'https://a.'].map((start) => ({
    name: `the return address that begins with "${start}"`,
    largest: maxReturnURLLength,
    start,
    words: ['https://', 'xn--', '/%2f', '%5c', 'app.example.com'],
    run: (text: string) => {
      const url = addresses.returnURL(app, text)
      return url === undefined ? undefined : addresses.startURL(app, url)
    },
  })),
  {
    name: 'a return address that is too long',
    as: asHeader,
    largest: headerSize,
    start: '/',
    run: (text) => addresses.returnURL(app, text),
  },
  {
    name: 'the query of oauth2-proxy, for somebody with as many groups',
    as: asHeader,
    largest: headerSize,
    start: 'allowed_groups=',
    words: ['a,', 'allowed_groups=', '&allowed_emails=', 'allowed_email_domains='],
    run: (text) => {
      const groups = text.split(/[,.&]/).map((group) => `${group}-`)
      return extraOf(text, 'groups')?.({ ...session, claims: { groups, email: `a@${text}` } })
    },
  },
  ...['', 'state=a&code=', 'iss=', 'error='].map((start) => ({
    name: `the callback's query after ${start}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: ['state=', 'code=', 'iss=', 'error='],
    run: (text: string) =>
      codeOf(readCallback({ query: text, state: 'a', redirectURI: '', nonce: '', codeVerifier: '' }), metadata),
  })),
  {
    name: 'the state of a callback',
    largest: headerSize,
    start: started.state,
    run: (text) => flows.read(text),
  },
]

const metadata = {
  issuer: 'https://provider.example',
  authorization_endpoint: '',
  token_endpoint: '',
  jwks_uri: '',
  userinfo_endpoint: undefined,
  end_session_endpoint: undefined,
  revocation_endpoint: undefined,
  algorithms: ['RS256'],
  prompts: undefined,
  sendsIss: false,
}
const jwtHeader = Buffer.from('{"alg":"RS256"}').toString('base64url')
const jwtOf = (payload: string) => `${jwtHeader}.${Buffer.from(payload).toString('base64url')}.AAAA`

const provider: readonly Reader[] = [
  ...['', 'eyJ', `${jwtHeader}.`, `${jwtHeader}.${jwtHeader}.`].map((start) => ({
    name: `a token that begins with "${start}"`,
    largest: maxTokenLength,
    start,
    run: (token: string) => takeApart(token, ['RS256']),
  })),
  {
    name: 'the payload of a token',
    largest: claimSize,
    start: '{"a":',
    run: (text) => takeApart(jwtOf(text), ['RS256']),
  },
  {
    name: 'a name inside a token',
    largest: claimSize,
    run: (text) => {
      const { claims } = takeApart(jwtOf(JSON.stringify({ iss: text, jti: text, name: text, [text]: text })), ['RS256'])
      singleUseKey('', claims)
      return completed(claims, { ...claims, more: text })
    },
  },
  {
    name: 'the audiences of a token',
    largest: maxTokenLength,
    words: ['client,'],
    run: (text) =>
      checkIDToken(
        { algorithm: 'RS256', type: text, claims: { iss: '', sub: 'a', aud: text.split(','), azp: text, exp: 1e9 } },
        { issuer: '', clientID: 'client', nonce: undefined, accessToken: 'a', clockSkewMs: 0, now: 0 },
      ),
  },
  {
    name: "a provider's answer",
    largest: maxTokenLength,
    start: '{"a":',
    run: (text) => {
      errorWord(text)
      return jsonObject({ status: 200, contentType: 'application/json', body: text })
    },
  },
]

const nested = (text: string): unknown => {
  let value: unknown = text.slice(0, text.length / 2).split(',')
  for (let depth = 0; depth < Math.min(500, text.length / 16); depth++) value = [value]
  return value
}
const template = compileTemplate('{{.Claims.a}}')

const claims: readonly Reader[] = [
  {
    name: 'the name of a person in headers and rules',
    largest: claimSize,
    words: ['@example.com', 'a@b'],
    run: (text) => admitted({ name: text, email: text, preferred_username: text, groups: text, roles: text }),
  },
  {
    name: 'the many groups of a person',
    largest: claimSize,
    words: ['admins,', 'a,'],
    run: (text) => {
      const groups = text.split(/[,./;]/)
      admitted({ email: 'alice@example.com', groups, roles: groups, name: groups })
    },
  },
  {
    name: 'a claim as lists within lists',
    largest: claimSize,
    words: ['a,'],
    run: (text) => template.render({ claims: { a: nested(text) }, tokens: undefined }, headerSafe),
  },
]

const pages = createPages(config.pages)

const answers: readonly Reader[] = [
  {
    name: 'the pages',
    // An address to come back to, percent-encoded inside another one.
    largest: 3 * maxReturnURLLength,
    words: ['javascript:', 'https://', '&amp;'],
    run: (text) => {
      const user = text
      pages.forbidden({ user, switchAccountURL: text, logoutURL: `/${text}`, requestId: text, reason: text })
      pages.confirmLogout({ action: `https://a/${text}`, user })
      pages.signIn({ loginURL: text })
      pages.error({ status: 400, reason: text, requestId: text, retryURL: `https://a/${text}` })
      return pages.signedOut({ loginURL: text })
    },
  },
  {
    name: 'text in the log',
    largest: logTextSize,
    words: ['https://a:b@', '?code=', '#a=', 'Bearer abcdefgh', 'eyJa.b.c', '/a?b', '&a=b', 'eyJ-'],
    run: (text) => redactText(text),
  },
  {
    name: 'a line of the log',
    largest: logTextSize,
    words: ['https://a:b@', '?code=', 'eyJa.b.c'],
    run: (text) => logger.warn({ event: 'a', path: text, list: [text], deep: { [text]: text } }, text),
  },
  {
    name: 'an error in the log',
    largest: logTextSize,
    run: (text) => redactFields({ err: new Error(text, { cause: Object.assign(new Error(text), { code: text }) }) }),
  },
]
const logger = createLogger({ level: 'warn', destination: { write: () => {} } })

const choose = createUpstreamChoice(config.upstreams)
const forApplication = createRequestHeaders({
  identityHeaderNames: identityHeaders.names,
  ourCookieNames: (name) => browserCookies.isOurs(name),
})

const proxied: readonly Reader[] = [
  ...['/', '/a', '/?', '/a//b'].map((start) => ({
    name: `what a request is proxied to, after ${start}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: ['/a/b/c', '//', '..;'],
    run: (text: string) => {
      const target = readTarget(text)
      if (target === undefined) return
      // Whether its prefix was in the path shows only where it is chosen: any upstream may be.
      for (const host of ['app.example.com', text]) choose(host, target.path)
      for (const config of upstreams) upstreamPath({ config, host: undefined, origin: '', basePath: '/base' }, target)
    },
  })),
  {
    name: 'the names of headers that an application gets',
    as: asHeader,
    largest: headerSize,
    words: ['x-forwarded-', 'x_auth_request_', '__proto__'],
    run: (text) => {
      // Node counts no more headers than these.
      const names = text.split(/[ ,;:=]/, 2_000)
      forApplication(
        Object.fromEntries(names.map((name, at) => [name + at, name])),
        {},
        { for: 'a', proto: 'https', host: 'a' },
      )
      return forApplication({ [text]: 'a' }, {}, { for: 'a', proto: 'https', host: 'a' })
    },
  },
]
const { upstreams } = config

const messages = createMessages(keys, 'scope')
const invalidations = createInvalidations(keys, 'scope')
const spoolLines = createSpoolLines(keys, 'scope')
const mac = 'A'.repeat(43)

const stored: readonly Reader[] = [
  {
    name: 'a message of a peer',
    largest: maxMessageBytes,
    run: (text) => messages.readAsk({ body: Buffer.from(text), mac }),
  },
  {
    name: 'the MAC of a message',
    largest: headerSize,
    words: [mac],
    run: (text) => messages.readAsk({ body: Buffer.from(''), mac: text }),
  },
  {
    name: 'a note in the channel',
    largest: headerSize,
    start: 'a 1 changed ',
    run: (text) => invalidations.decode(text),
  },
  { name: 'a line of the spool', largest: headerSize, start: '{"id":"', run: (text) => spoolLines.decode(text) },
  {
    name: 'a value in the store',
    largest: claimSize,
    start: codec
      .encode({ session, tokens: { accessToken: 'a', idToken: undefined, refreshToken: undefined } }, someTicket)
      .toString('latin1'),
    run: (text) => {
      const value = Buffer.from(text, 'latin1')
      codec.decodeTokens(value, someTicket)
      return codec.decode(value, someTicket)
    },
  },
  {
    name: 'what Redis complains of',
    largest: headerSize,
    words: ['NOAUTH ', 'READONLY '],
    run: (text) => redisFault(new Error(text)),
  },
]

const operator: readonly Reader[] = [
  {
    name: 'a string of the configuration',
    largest: headerSize,
    words: ['${A}', '${A:-', '$${'],
    run: (text) => interpolate(text, { A: 'a' }),
  },
  {
    name: 'the path of a rule',
    largest: headerSize,
    start: '/',
    words: ['**/', '*/'],
    run: (text) => parsePathPattern(text),
  },
  { name: 'the host of a rule', largest: headerSize, words: ['*.', '.:1'], run: (text) => parseHostPattern(text) },
  {
    name: 'the template of a header',
    largest: headerSize,
    start: '{{',
    words: ['.Claims.a', '{{.Claims.a}}', 'default "x" ', '(get .Claims "a")', '| '],
    run: (text) => compileTemplate(text),
  },
]

export const readers: readonly Reader[] = [
  ...request,
  ...cookies,
  ...addressesOfLogins,
  ...provider,
  ...claims,
  ...answers,
  ...proxied,
  ...stored,
  ...operator,
]
