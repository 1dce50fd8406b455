// The cache service as the application composes it, without HTTP and without a provider.
import { createCache } from '../src/cache/create-cache.ts'
import { loadConfig } from '../src/load-config.ts'
import { createRandomBytes } from '../src/random.ts'
import { createSealer } from '../src/sealing.ts'
import { createSessions, type Sessions } from '../src/session/sessions.ts'
import { createLogger } from '../src/telemetry/pino.ts'
import { createMetrics } from '../src/telemetry/prometheus.ts'
import { systemTimer } from '../src/time.ts'
import type { Provider } from '../src/oidc/provider.ts'

export type BenchMode = 'memory' | 'redis' | 'hybrid'

/** The configuration of a mode. */
export const redisLines = (mode: BenchMode, port: number): string =>
  mode === 'memory' ? '' : `redis: { enabled: true, address: "127.0.0.1:${port}", cacheMode: ${mode} }`

export async function openSessions(
  mode: BenchMode,
  redisPort: number,
): Promise<{ sessions: Sessions; stop: () => Promise<void> }> {
  const { config } = loadConfig({
    text: `providerURL: https://issuer.example
clientID: bench
clientSecret: not-a-secret-1
sessionEncryptionKey: k9vPq2LxTz8RnW4bYc6HdJ1sFgMa7eUo0iXyZ3wB
${redisLines(mode, redisPort)}
`,
    env: {},
    readFile: () => '',
  })
  const randomBytes = createRandomBytes()
  const runtime = {
    clock: Date.now,
    stopwatch: () => performance.now(),
    timer: systemTimer,
    nextTurn: (task: () => void) => void setImmediate(task),
    random: Math.random,
    randomBytes,
    logger: createLogger({ level: 'error' }),
    metrics: createMetrics({ processMetrics: false }),
  }
  const cache = createCache({ config, scope: 'bench', origin: 'bench', runtime })
  await cache.start()
  const sessions = createSessions({
    cache,
    runtime,
    sealer: createSealer(config.session.encryptionKeys, 'session', randomBytes),
    passSealer: createSealer(config.session.encryptionKeys, 'pass', randomBytes),
    provider: noProvider,
    claimsToKeep: (claims) => claims,
    nearLimits:
      mode === 'memory'
        ? { maxItems: undefined, maxBytes: config.memory.maxBytes / 2 }
        : { maxItems: config.redis.l1.maxItems, maxBytes: config.redis.l1.maxBytes },
    lifetimes: {
      maxAgeMs: config.session.maxAgeMs,
      idleTimeoutMs: undefined,
      refreshGraceMs: config.session.refreshGraceMs,
      maxStaleMs: config.outage.maxStaleMs,
      passMaxAgeMs: mode === 'memory' ? undefined : config.outage.passMaxAgeMs,
      providerTimeoutMs: config.provider.providerTimeoutMs,
    },
  })
  // The recovery that follows the first contact: from then on near copies are trusted.
  const isReady = () =>
    mode === 'memory' || (cache.health().redis.connected && (mode === 'redis' || cache.trust.until > 0))
  while (!isReady()) await new Promise((resolve) => setImmediate(resolve))
  return { sessions, stop: () => cache.stop() }
}

const unused = () => {
  throw new Error('the bench has no provider')
}

const noProvider: Provider = {
  status: () => 'ready',
  start: unused,
  stop: unused,
  authorizationURL: unused,
  offersPrompt: unused,
  redeem: unused,
  refresh: unused,
  revoke: unused,
  endSessionURL: unused,
}
