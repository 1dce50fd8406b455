// Sessions over a fake cache and a fake provider. Time stands still until a test moves it.
import { randomBytes } from 'node:crypto'
import { claimText } from '../../src/access/claims.ts'
import type { Grant, Provider, RefreshGrant, Tokens } from '../../src/oidc/provider.ts'
import { createSealer } from '../../src/sealing.ts'
import { createSessionLifetimes, type Lifetimes } from '../../src/session/lifetimes.ts'
import type { LookupResult } from '../../src/session/lookup-result.ts'
import { createSessions, type Sessions, type SessionsDeps } from '../../src/session/sessions.ts'
import type { Session } from '../../src/session/session.ts'
import { createTaggers } from '../../src/session/sweeps.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import type { Metrics } from '../../src/telemetry/metrics.ts'
import type { Runtime } from '../../src/runtime.ts'
import type { Key } from '../../src/store/store.ts'
import { oneProvider } from '../fixtures/providers.ts'
import { createFakeCache, type FakeCache } from '../fixtures/fake-cache.ts'
import { fakeTime, type FakeTime, startOfTest } from '../fixtures/fake-time.ts'
import { recordedLog, type RecordedLog } from '../fixtures/recorded-log.ts'

export const minute = 60_000
export const hour = 60 * minute
export const encryptionKey = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')

export interface FakeProvider extends Provider {
  /** The tokens that each refresh was called with. */
  readonly refreshes: Tokens[]
  readonly revoked: Tokens[]
  /** What the next refreshes answer. */
  onRefresh: (tokens: Tokens) => Promise<RefreshGrant>
}

export function fakeProvider(clock: () => number): FakeProvider {
  const notHere = () => {
    throw new Error('not part of this test')
  }
  const provider: FakeProvider = {
    refreshes: [],
    revoked: [],
    onRefresh: () => Promise.resolve(refreshGrant(clock() + 5 * minute, provider.refreshes.length)),
    status: () => 'ready',
    start: notHere,
    stop: notHere,
    authorizationURL: notHere,
    exchangeCode: notHere,
    offersPrompt: notHere,
    newProofKey: () => Promise.resolve(undefined),
    endSessionURL: notHere,
    readLogoutToken: notHere,
    pageOrigins: notHere,
    isIssuer: notHere,
    async refresh(tokens) {
      provider.refreshes.push(tokens)
      return provider.onRefresh(tokens)
    },
    async revoke(tokens) {
      provider.revoked.push(tokens)
    },
    abandon: (tokens) => void provider.revoked.push(tokens),
  }
  return provider
}

export const refreshGrant = (expiresAt: number, number = 1): RefreshGrant => ({
  tokens: { accessToken: `at-${number}`, idToken: undefined, refreshToken: `rt-${number}` },
  expiresAt,
  claims: undefined,
})

export interface World {
  readonly sessions: Sessions
  readonly cache: FakeCache
  readonly time: FakeTime
  readonly runtime: Runtime
  readonly provider: FakeProvider
  readonly metrics: Metrics
  readonly log: RecordedLog
  /** Alice, with a token of five minutes and a refresh token. */
  readonly grant: (overrides?: Partial<Grant>) => Grant
  readonly login: (overrides?: Partial<Grant>) => Promise<string>
  /** Another process over the same store, with time, provider and log in common. */
  readonly replica: (overrides?: WorldOptions) => World
}

export interface WorldOptions {
  readonly mode?: FakeCache['mode']
  /** Has just started, and has not reached the store or anybody else yet. */
  readonly blind?: boolean
  readonly lifetimes?: Partial<SessionsDeps['lifetimes']>
  readonly nearLimits?: SessionsDeps['nearLimits']
  readonly maxPerUser?: number
  /** The jitter of refreshes, 0 <= x < 1. */
  readonly random?: number
}

export const userOf = ({ claims, subject }: Session): string => claimText(claims, 'email') || subject

export function aWorld(options: WorldOptions = {}): World {
  const time = fakeTime()
  return build(options, { time, provider: fakeProvider(time.clock), log: recordedLog() }, undefined)
}

export const usualLifetimes: Lifetimes = {
  maxAgeMs: 24 * hour,
  idleTimeoutMs: undefined,
  refreshGraceMs: minute,
  maxStaleMs: 10 * minute,
  passMaxAgeMs: 8 * hour,
  providerTimeoutMs: 5_000,
}

export const lifetimesOf = (clock: () => number, given: Partial<Lifetimes> = {}) =>
  createSessionLifetimes({ ...usualLifetimes, ...given }, clock)

/** The stopwatch began at another moment than the clock: nobody can take one for the other. */
export function runtimeOf({ clock, timer }: Pick<FakeTime, 'clock' | 'timer'>, log: RecordedLog, random = 0): Runtime {
  return {
    clock,
    stopwatch: () => clock() - startOfTest + 5_000,
    timer,
    nextTurn: (task) => void setImmediate(task),
    random: () => random,
    randomBytes,
    logger: log,
    metrics: createMetrics({ processMetrics: false }),
  }
}

function build(
  options: WorldOptions,
  common: Pick<World, 'time' | 'provider' | 'log'>,
  beside: FakeCache | undefined,
): World {
  const { time, provider, log } = common
  const runtime = runtimeOf(time, log, options.random)
  const { clock, stopwatch, metrics } = runtime
  const { mode, blind } = options
  const cache = createFakeCache({
    clock,
    stopwatch,
    ...(mode !== undefined && { mode }),
    ...(blind !== undefined && { blind }),
    ...(beside !== undefined && { beside }),
  })
  const sessions = createSessions({
    cache,
    sealer: createSealer([encryptionKey], 'session', randomBytes),
    passSealer: createSealer([encryptionKey], 'pass', randomBytes),
    aboutSealer: createSealer([encryptionKey], 'about', randomBytes),
    taggers: createTaggers([encryptionKey], 'test'),
    userOf,
    maxPerUser: options.maxPerUser,
    providers: oneProvider(provider),
    claimsToKeep: (claims) => claims,
    nearLimits: options.nearLimits ?? { maxItems: 1_000, maxBytes: 10_000_000 },
    lifetimes: { ...usualLifetimes, ...options.lifetimes },
    runtime,
  })
  const grant = (overrides: Partial<Grant> = {}): Grant => ({
    tokens: { accessToken: 'at-0', idToken: 'id-0', refreshToken: 'rt-0' },
    expiresAt: clock() + 5 * minute,
    claims: { iss: 'https://id.example.com', sub: 'alice', sid: 'sid-1', groups: ['staff'] },
    idTokenKey: 'key',
    idTokenExpiresAt: clock() + 5 * minute,
    idTokenIssuedAt: Math.floor(clock() / 1_000) * 1_000,
    ...overrides,
  })
  return {
    ...common,
    sessions,
    cache,
    runtime,
    metrics,
    grant,
    login: async (overrides) => (await sessions.begin(grant(overrides))).ticket,
    replica: (overrides = options) => build(overrides, common, cache),
  }
}

/** Lets everything that is ready go on: background work that waits for nothing but promises. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const carried = (pass: string | undefined): string[] => (pass === undefined ? [] : [pass])

/** Where it was found (`near`, `shared`, ...), the reason why it was not, or the code of an error. */
export async function look(sessions: Sessions, ticket: string, pass?: string): Promise<string> {
  try {
    const found = await sessions.find(ticket, carried(pass))
    return found.kind === 'found' ? found.from : found.reason
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

export function sessionIn(found: LookupResult): Session {
  if (found.kind !== 'found') throw new Error(`no session: ${found.reason}`)
  return found.session
}

export const idOf = (ticket: string): string => ticket.slice(0, 22)
export const keyOf = (ticket: string): Key => ({ kind: 'session', id: idOf(ticket) })

/** A promise that a test settles. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void; fail: (error: Error) => void } {
  let open: (value: T) => void = () => undefined
  let fail: (error: Error) => void = () => undefined
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}
