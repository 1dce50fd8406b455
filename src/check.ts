// `foregate check --connect`: what the service will need, tried. Says what it found in words that name the remedy. What can be
// known without a network is known when the configuration is loaded.
import { openRedis } from './store/redis/link.ts'
import { fault } from './store/redis/faults.ts'
import type { ServerInfo } from './store/redis/server-info.ts'
import type { Key } from './store/store.ts'
import type { Config, ProviderConfig } from './config/config.ts'
import { deploymentScope } from './deployment.ts'
import { createProvider } from './oidc/openid-provider.ts'
import type { Runtime } from './runtime.ts'

export interface CheckReport {
  readonly ok: boolean
  readonly lines: readonly string[]
}

/** Never throws; takes no longer than the configured timeouts. */
export async function checkConnections(config: Config, runtime: Runtime): Promise<CheckReport> {
  const results = await Promise.all([
    ...config.providers.map(({ name, client }) =>
      tried(config.providers.length === 1 ? 'provider' : `provider ${name}`, () => reachProvider(client, runtime)),
    ),
    ...(config.redis.mode === 'memory' ? [] : [tried('redis', () => reachRedis(config, runtime))]),
  ])
  return { ok: results.every(({ ok }) => ok), lines: results.flatMap(({ lines }) => lines) }
}

async function tried(name: string, reach: () => Promise<string[]>): Promise<CheckReport> {
  try {
    return { ok: true, lines: (await reach()).map((line) => `${name}: ${line}`) }
  } catch (error) {
    return { ok: false, lines: [`${name}: ${error instanceof Error ? error.message : String(error)}`] }
  }
}

async function reachProvider(config: ProviderConfig, runtime: Runtime): Promise<string[]> {
  const provider = createProvider({
    ...runtime,
    config,
    claimsWanted: [],
    requireVerifiedEmail: false,
    admits: () => true,
    cache: { metadata: noDocuments, jwks: noDocuments },
    noteCall: () => undefined,
  })
  provider.start()
  try {
    await provider.known()
    return [`reached ${config.providerURL}`, ...provider.concerns().map((concern) => `warning: ${concern}`)]
  } finally {
    provider.stop()
  }
}

async function reachRedis(config: Config, runtime: Runtime): Promise<string[]> {
  const scope = deploymentScope(config)
  const link = openRedis({
    config: config.redis,
    origin: 'check',
    scope,
    withdrawalLifeMs: config.session.maxAgeMs,
    runtime,
  })
  try {
    const found = await link.firstContact
    if (found !== undefined) throw new Error(found.message)
    const info = await link.serverInfo()
    const problem = wrongServer(config, info)
    if (problem !== undefined) throw new Error(problem)
    // What a reader may do and a writer may not shows only when it is tried.
    const probe: Key = { kind: 'lease', id: 'check' }
    await link.store.set(probe, Buffer.from('1'), 1_000)
    await link.store.delete(probe)
    // The scripts, and the record of withdrawals.
    await link.log.beat({ replica: 'check', token: 1, position: undefined, clean: false, hello: '' })
    await link.log.leave('check')
    const lines = [`reached, version ${info.version ?? 'unknown'}, mode ${config.redis.mode}`]
    if (info.maxmemoryPolicy !== undefined && info.maxmemoryPolicy !== 'noeviction') {
      lines.push(
        `warning: maxmemory-policy is ${info.maxmemoryPolicy}: revocation marks may be evicted; set noeviction`,
      )
    }
    if (info.uncheckable.length > 0) lines.push(`the ACL forbids ${info.uncheckable.join(' and ')}: not checked`)
    return lines
  } finally {
    link.close()
  }
}

function wrongServer({ redis }: Config, { role, mode }: ServerInfo): string | undefined {
  if (mode === 'sentinel') return fault('is_sentinel').message
  if (mode === 'cluster' && redis.cluster === undefined) return fault('is_cluster').message
  if (mode === 'standalone' && redis.cluster !== undefined) return fault('not_cluster').message
  return role === 'slave' ? fault('readonly').message : undefined
}

const noDocuments = { get: () => Promise.resolve(undefined), set: () => Promise.resolve() }
