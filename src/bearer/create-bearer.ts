// The parts of this room, put together.
import { createHash } from 'node:crypto'
import type { Documents } from '../cache/documents.ts'
import type { ReplayDetection } from '../cache/replay-detection.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import type { BearerConfig, ProviderConfig } from '../config/config.ts'
import type { JSONObject } from '../oidc/json.ts'
import type { OpenIDProvider } from '../oidc/openid-provider.ts'
import { createTransport } from '../oidc/transport.ts'
import type { Runtime } from '../runtime.ts'
import type { Sealer } from '../sealing.ts'
import { createBearer, type Bearer } from './bearer.ts'
import { createFurtherIssuer } from './further-issuer.ts'
import { createCheckProof } from './proof.ts'
import { createVerifiedTokens, type VerifiedTokens } from './verified-tokens.ts'

export interface BearerParts {
  readonly config: BearerConfig
  readonly providerConfig: ProviderConfig
  readonly provider: Pick<OpenIDProvider, 'verifyForeign' | 'introspect' | 'clientIDs'>
  readonly scope: string
  readonly cache: SharedCache
  readonly documents: { readonly metadata: Documents; readonly jwks: Documents }
  readonly sealer: Sealer
  readonly used: ReplayDetection
  /** Dot paths of the claims that are kept. */
  readonly claimPaths: readonly string[]
  readonly claimsToKeep: (claims: JSONObject) => JSONObject
  readonly runtime: Runtime
}

export interface BearerService {
  readonly bearer: Bearer
  readonly size: Pick<VerifiedTokens, 'nearSize' | 'nearBytes'>
  /** Cuts what is under way at further issuers. */
  stop(): void
}

export function createBearerService(parts: BearerParts): BearerService {
  const { config, providerConfig, provider, runtime, documents } = parts
  const { clock, timer, logger, metrics } = runtime
  const { clockSkewMs } = providerConfig
  // Not the provider's own way: insecureSkipVerify is about that one alone. A private CA is the whole house's.
  const transport = createTransport({
    caPEM: providerConfig.caPEM,
    insecureSkipVerify: false,
    clientCertificate: undefined,
    proxies: providerConfig.proxies,
    timeoutMs: providerConfig.providerTimeoutMs,
    clock,
    timer,
    durations: metrics.providerRequests,
  })
  const { audiences, issuers, allowsOpaqueTokens, requiresIntrospection } = config
  const judgedBy = [parts.scope, audiences, issuers, requiresIntrospection, parts.claimPaths]
  const tokens = createVerifiedTokens({
    cache: parts.cache,
    sealer: parts.sealer,
    judgedBy: createHash('sha256').update(JSON.stringify(judgedBy)).digest('base64url'),
    metrics,
    clock,
  })
  const bearer = createBearer({
    issuers: [
      { issuer: providerConfig.providerURL, audiences, verifySignature: provider.verifyForeign },
      ...issuers.map(({ issuer, audiences: accepted, jwksURI }) => ({
        issuer,
        audiences: accepted,
        verifySignature: createFurtherIssuer({
          issuer,
          jwksURI,
          allowInsecure: providerConfig.allowInsecureProvider,
          transport,
          cache: documents,
          clock,
          logger,
        }),
      })),
    ],
    allowsOpaqueTokens,
    requiresIntrospection,
    introspect: provider.introspect,
    oneTime: config.oneTime,
    clientIDs: provider.clientIDs,
    clockSkewMs,
    tokens,
    used: parts.used,
    checkProof: createCheckProof({ used: parts.used, clockSkewMs, clock }),
    claimsToKeep: parts.claimsToKeep,
    clock,
  })
  return { bearer, size: tokens, stop: () => transport.close() }
}
