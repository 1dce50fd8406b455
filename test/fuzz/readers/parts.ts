// The parts of the service that its readers are asked through, and how long what they read can be.
import { defaultSignalPath } from '../../fixtures/addresses.ts'
import { randomBytes } from 'node:crypto'
import { stringify } from 'yaml'
import type { Identity } from '../../../src/access/access.ts'
import { compileIdentityHeaders } from '../../../src/access/identity-headers.ts'
import { compileRules } from '../../../src/access/rules.ts'
import { loadConfig } from '../../../src/load-config.ts'
import { createAddresses } from '../../../src/http/addresses.ts'
import { createBrowserCookies } from '../../../src/http/browser-cookies.ts'
import { createTrustedPeers } from '../../../src/http/client.ts'
import { createFlows } from '../../../src/login/flow.ts'
import { maxTokenLength } from '../../../src/oidc/signature.ts'
import { createRequestHeaders } from '../../../src/proxy/headers.ts'
import { createSealer } from '../../../src/sealing.ts'
import { createSessionCodec } from '../../../src/session/codec.ts'
import { createPasses, maxPassLength } from '../../../src/session/pass.ts'
import { aSession } from '../../fixtures/session.ts'
import { newTicket } from '../../../src/session/ticket.ts'
import type { Dialect } from '../recipes.ts'

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
export const headerSize = 32 * 1024
/** The token that a claim comes in is no longer: base64 makes four characters of three bytes, and text beyond ASCII has two or more. */
export const claimSize = maxTokenLength / 4
/** Where redact.ts cuts. */
export const logTextSize = 4_096

export const { config } = loadConfig({
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

export const clock = () => 1_700_000_000_000
export const keys = config.session.encryptionKeys
export const sealer = createSealer(keys, 'fuzz', randomBytes)
export const peers = createTrustedPeers(config.server.trustedProxies)
export const addresses = createAddresses({
  pathPrefix: config.paths.prefix,
  callbackPath: config.paths.callback,
  logoutPath: config.paths.logout,
  signalPath: defaultSignalPath,
  publicURL: undefined,
  forceHTTPS: false,
  cookieDomain: 'example.com',
  allowedRedirectHosts: config.access.allowedRedirectHosts,
})
export const browserCookies = createBrowserCookies(config.cookies, { sessionMaxAgeMs: 1_000, passMaxAgeMs: 1_000 })
export const app = { scheme: 'https', host: 'app.example.com' } as const

export const rules = compileRules(config)
export const identityHeaders = compileIdentityHeaders(config)
export const identityOf = (claims: Identity['claims']): Identity => ({
  subject: 'a',
  issuer: 'https://provider.example',
  claims,
})

export const someTicket = newTicket(randomBytes)
export const session = aSession({
  id: someTicket.id,
  createdAt: clock(),
  expiresAt: clock() + 1_000_000,
  tokenExpiresAt: clock() + 1_000_000,
  refreshAt: clock() + 1_000_000,
})
export const flows = createFlows({ sealer, clock, randomBytes })
export const started = flows.start({
  redirectURI: 'https://app.example.com/oauth2/callback',
  returnTo: 'https://app.example.com/',
  fresh: false,
  again: false,
})
export const passes = createPasses({
  isOurs: () => true,
  sealer,
  clock,
  maxAgeMs: 1_000,
  sessionMaxAgeMs: 1_000,
  maxLength: maxPassLength,
})
export const codec = createSessionCodec(sealer, 1_000_000, () => true)

export const metadata = {
  issuer: 'https://provider.example',
  authorization_endpoint: '',
  token_endpoint: '',
  jwks_uri: '',
  userinfo_endpoint: undefined,
  end_session_endpoint: undefined,
  revocation_endpoint: undefined,
  pushed_authorization_request_endpoint: undefined,
  requiresPushedRequests: false,
  registration_endpoint: undefined,
  offersDPoP: false,
  introspection_endpoint: undefined,
  algorithms: ['RS256'],
  prompts: undefined,
  authMethods: undefined,
  sendsIss: false,
}

export const forApplication = createRequestHeaders({
  identityHeaderNames: identityHeaders.names,
  ourCookieNames: (name) => browserCookies.isOurs(name),
})
