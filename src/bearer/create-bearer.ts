// The parts of this room, put together.
import { createHash } from 'node:crypto'
import type { Documents } from '../cache/documents.ts'
import type { ReplayDetection } from '../cache/replay-detection.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import type { BearerConfig } from '../config/config.ts'
import type { JSONObject } from '../oidc/json.ts'
import type { OpenIDProvider } from '../oidc/openid-provider.ts'
import { renamed, type ConfiguredProvider, type Providers } from '../oidc/providers.ts'
import { createTransport } from '../oidc/transport.ts'
import type { Runtime } from '../runtime.ts'
import type { Sealer } from '../sealing.ts'
import { createBearer, type Bearer, type TokenIssuer } from './bearer.ts'
import { createFurtherIssuer } from './further-issuer.ts'
import { createCheckProof } from './proof.ts'
import { createVerifiedTokens, type VerifiedTokens } from './verified-tokens.ts'

export interface BearerParts {
  readonly config: BearerConfig
  readonly providers: Providers<OpenIDProvider>
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
  /** Whose tokens count, the configured providers first. */
  readonly issuers: readonly Pick<TokenIssuer, 'issuer' | 'audiences'>[]
  readonly size: Pick<VerifiedTokens, 'nearSize' | 'nearBytes'>
  /** Cuts what is under way at further issuers. */
  stop(): void
}

export function createBearerService(parts: BearerParts): BearerService {
  const { config, providers, runtime, documents } = parts
  const { clock, timer, logger, metrics } = runtime
  // How providers are reached is one for all.
  const [{ entry }] = providers.all
  const providerConfig = entry.client
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
  const ofProviders = providers.all.flatMap((one) => ownIssuer(one, audiences))
  const judged = ofProviders.map(({ issuer, provider, audiences: accepted }) => [issuer, provider, accepted])
  const renamings = providers.all.map(({ entry: { id, claimNames } }) => [id, claimNames])
  const judgedBy = [parts.scope, judged, renamings, issuers, requiresIntrospection, parts.claimPaths]
  const tokens = createVerifiedTokens({
    cache: parts.cache,
    sealer: parts.sealer,
    judgedBy: createHash('sha256').update(JSON.stringify(judgedBy)).digest('base64url'),
    metrics,
    clock,
  })
  const all: readonly TokenIssuer[] = [
    ...ofProviders,
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
  ]
  const bearer = createBearer({
    issuers: all,
    allowsOpaqueTokens,
    requiresIntrospection,
    oneTime: config.oneTime,
    clientIDs: () => providers.all.flatMap(({ provider }) => provider.clientIDs()),
    clockSkewMs,
    tokens,
    used: parts.used,
    checkProof: createCheckProof({ used: parts.used, clockSkewMs, clock }),
    claimsToKeep: parts.claimsToKeep,
    clock,
  })
  return { bearer, issuers: all, size: tokens, stop: () => transport.close() }
}

/** Of the one at the top `audiences`; of the others what each says, and none where it says nothing. */
function ownIssuer(
  { entry, provider }: ConfiguredProvider<OpenIDProvider>,
  audiences: readonly string[],
): TokenIssuer[] {
  const { id, client, bearerAudiences, claimNames } = entry
  const accepted = id === undefined ? audiences : bearerAudiences
  if (accepted === undefined) return []
  return [
    {
      issuer: client.providerURL,
      isIssuer: provider.isIssuer,
      provider: id,
      audiences: accepted,
      verifySignature: provider.verifyForeign,
      introspect: provider.introspect,
      renamed: (claims) => renamed(claims, claimNames),
    },
  ]
}
