// Logins over the sessions of test/session/world.ts: a provider that answers at once, whoever asks.
import { randomBytes } from 'node:crypto'
import { createReplayDetection } from '../../src/cache/replay-detection.ts'
import { createFlows } from '../../src/login/flow.ts'
import { createLogins } from '../../src/login/login.ts'
import type { AuthorizationRequest, Callback, Claims, Grant, Provider } from '../../src/oidc/provider.ts'
import { createSealer } from '../../src/sealing.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { oneProvider } from '../fixtures/providers.ts'
import { aWorld, encryptionKey, hour, minute, type World, type WorldOptions } from '../session/world.ts'

export interface LoginWorld extends World {
  readonly logins: ReturnType<typeof createLogins>
  /** As `provider`, and people log in there. */
  readonly loginProvider: Provider
  /** What the provider was asked to redeem. */
  readonly redeemed: Callback[]
  readonly asked: AuthorizationRequest[]
  /** Claims of logins that were completed. */
  readonly noticed: Claims[]
  /** Replaces the provider's answer. */
  answer: (callback: Callback) => Promise<Grant>
  readonly another: (options?: { disableReplayDetection?: boolean }) => ReturnType<typeof createLogins>
}

export interface LoginWorldOptions extends WorldOptions {
  /** `outage.replay` */
  readonly whenAway?: 'local' | 'closed'
}

/** `world`: where the sessions live; another replica of the same store, for instance. */
export function aLoginWorld(options: LoginWorldOptions = {}, world: World = aWorld(options)): LoginWorld {
  const { time, cache, sessions, log, metrics } = world
  const redeemed: Callback[] = []
  const asked: AuthorizationRequest[] = []
  const noticed: Claims[] = []
  const loginProvider: Provider = {
    ...world.provider,
    async authorizationURL(request: AuthorizationRequest) {
      asked.push(request)
      return new URL('https://id.example.com/authorize')
    },
    async exchangeCode(callback: Callback) {
      redeemed.push(callback)
      return made.answer(callback)
    },
  }
  const another = ({ disableReplayDetection = false } = {}) =>
    createLogins({
      flows: createFlows({
        sealer: createSealer([encryptionKey], 'flow', randomBytes),
        clock: time.clock,
        randomBytes,
      }),
      providers: oneProvider(loginProvider),
      sessions,
      used: createReplayDetection({
        cache,
        local: createMemoryStore({ clock: time.clock, maxBytes: 1_000_000 }),
        whenAway: options.whenAway ?? 'local',
        metrics,
        logger: log,
        clock: time.clock,
      }),
      disableReplayDetection,
      clockSkewMs: minute,
      noticeClaims: (claims) => void noticed.push(claims),
      clock: time.clock,
      random: () => 0.5,
    })
  const made: LoginWorld = {
    ...world,
    loginProvider,
    logins: another(),
    redeemed,
    asked,
    noticed,
    another,
    answer: async () => world.grant({ idTokenKey: randomBytes(8).toString('hex'), expiresAt: time.clock() + hour }),
  }
  return made
}
