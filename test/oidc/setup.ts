// A provider under test together with the faulty one it talks to. Time stands still until a test moves it.
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { ProviderConfig } from '../../src/config/config.ts'
import { AppError, LoginRejected, RefreshRejected } from '../../src/errors.ts'
import type { Documents } from '../../src/cache/documents.ts'
import type { OpenIDProvider, ProviderOptions } from '../../src/oidc/openid-provider.ts'
import { createProvider } from '../../src/oidc/openid-provider.ts'
import type { Callback, Grant, Provider } from '../../src/oidc/provider.ts'
import { fakeTime, type FakeTime } from '../fixtures/fake-time.ts'
import { recordedLog, type RecordedLog } from '../fixtures/recorded-log.ts'
import type { Claims, FaultyProvider, FaultyProviderOptions } from '../fixtures/provider.ts'
import { startProvider } from '../fixtures/provider.ts'

export function memoryCache(): Documents & { entries: Map<string, string> } {
  const entries = new Map<string, string>()
  return {
    entries,
    get: async (id) => entries.get(id),
    set: async (id, json) => void entries.set(id, json),
  }
}

export const flow = {
  redirectURI: 'https://app.example.com/oauth2/callback',
  state: 'state-of-this-login',
  nonce: 'nonce-of-this-login',
  codeVerifier: 'verifier-of-this-login-which-has-43-letters',
}

export interface World {
  op: FaultyProvider
  provider: OpenIDProvider
  time: FakeTime
  log: RecordedLog
  cache: { metadata: ReturnType<typeof memoryCache>; jwks: ReturnType<typeof memoryCache> }
  /** `operation outcome` of every request, in order. */
  requests: string[]
  /** Calls that nobody waits for. */
  leftovers: Promise<unknown>[]
  /** A login as a browser makes it. `query` replaces the callback's. */
  login: (options?: { claims?: Claims; query?: string } & Pick<Callback, 'stepUp' | 'startedAt'>) => Promise<Grant>
  /** The callback's query of a good login. */
  query: (claims?: Claims) => string
  /** Another replica or a later start: same cache, time and log. */
  another: (options?: Partial<ProviderOptions>) => OpenIDProvider
}

export interface WorldOptions {
  op?: FaultyProvider
  provider?: FaultyProviderOptions
  config?: Partial<ProviderConfig>
  options?: Partial<ProviderOptions>
  /** False: discovery is left to the test. */
  start?: boolean
}

export function configFor(op: FaultyProvider, config: Partial<ProviderConfig> = {}): ProviderConfig {
  return {
    providerURL: op.issuer,
    tenants: undefined,
    clientID: op.clientID,
    clientSecret: op.clientSecret,
    clientAuthMethod: 'client_secret_basic',
    clientAssertion: undefined,
    clientCertificate: undefined,
    registration: undefined,
    scopes: ['openid', 'profile', 'email'],
    audience: undefined,
    strictAudienceValidation: false,
    enablePKCE: true,
    dpop: 'off',
    pushedAuthorizationRequests: 'auto',
    extraAuthParams: {},
    caPEM: undefined,
    insecureSkipVerify: false,
    allowInsecureProvider: false,
    clockSkewMs: 60_000,
    providerTimeoutMs: 5_000,
    revocationURL: undefined,
    endSessionURL: undefined,
    introspectionURL: undefined,
    graphURL: undefined,
    discoveryURL: undefined,
    allowMissingNonce: false,
    claimsFrom: ['idToken', 'userinfo'],
    proxies: { http: undefined, https: undefined, except: [] },
    ...config,
  }
}

export async function aWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const time = fakeTime()
  const log = recordedLog()
  const op = options.op ?? (await startProvider({ clock: time.clock, ...options.provider }))
  const cache = { metadata: memoryCache(), jwks: memoryCache() }
  const requests: string[] = []
  const leftovers: Promise<unknown>[] = []
  const another = (overrides: Partial<ProviderOptions> = {}): OpenIDProvider => {
    const provider = createProvider({
      config: configFor(op, options.config),
      claimsWanted: [],
      requireVerifiedEmail: false,
      admits: () => true,
      clock: time.clock,
      timer: time.timer,
      random: () => 0.5,
      randomBytes,
      logger: log,
      metrics: {
        providerRequests: {
          labels: ({ operation, outcome }) => ({ observe: () => void requests.push(`${operation} ${outcome}`) }),
        },
      },
      cache,
      noteCall: (call) => void leftovers.push(call),
      ...options.options,
      ...overrides,
    })
    t.after(() => provider.stop())
    return provider
  }
  const provider = another()
  t.after(() => op.close())
  if (options.start !== false) {
    provider.start()
    await settled(provider)
  }
  const query = (claims?: Claims): string => {
    const { redirectURI, nonce, codeVerifier, state } = flow
    const answer = op.issueCode({ redirectURI, nonce, codeVerifier, ...(claims === undefined ? {} : { claims }) })
    return `${answer}&state=${state}`
  }
  return {
    op,
    provider,
    time,
    log,
    cache,
    requests,
    leftovers,
    query,
    another,
    login: ({ claims, query: given, ...more } = {}) =>
      provider.exchangeCode({ ...flow, ...more, query: given ?? query(claims) }),
  }
}

/** Once the first discovery has ended, well or not. */
export async function settled(provider: Provider): Promise<void> {
  await provider.authorizationURL(flow).catch(() => {})
}

/** `ok`, the reason of a refusal, or the code of another expected failure. What is not expected is thrown. */
export async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'ok'
  } catch (error) {
    if (error instanceof LoginRejected || error instanceof RefreshRejected) return error.reason
    if (error instanceof AppError) return error.code
    throw error
  }
}
