// Sessions and their cache as the service composes them; the provider is never started.
import { loadConfig } from '../src/config/load.ts'
import { createPlatform } from '../src/runtime.ts'
import { createService } from '../src/service.ts'
import type { Sessions } from '../src/session/sessions.ts'
import { createLogger } from '../src/telemetry/pino.ts'
import { createMetrics } from '../src/telemetry/prometheus.ts'

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
  const { cache, sessions } = createService(config, {
    ...createPlatform(),
    logger: createLogger({ level: 'error' }),
    metrics: createMetrics({ processMetrics: false }),
  })
  await cache.start()
  // The recovery that follows the first contact: from then on near copies are trusted.
  const isReady = () =>
    mode === 'memory' || (cache.health().redis.connected && (mode === 'redis' || cache.trust.until > 0))
  while (!isReady()) await new Promise((resolve) => setImmediate(resolve))
  return { sessions, stop: () => cache.stop() }
}
