// `foregate check --connect`: tries what the service will need, and says what it found in words that name the remedy.
import type { Config } from './config/config.ts'
import type { TierSurroundings } from './cache/tier.ts'
import { createProvider } from './oidc/openid-provider.ts'

export interface CheckReport {
  readonly ok: boolean
  readonly lines: readonly string[]
}

/** Never throws; takes no longer than the configured timeouts. */
export async function checkConnections(config: Config, surroundings: TierSurroundings): Promise<CheckReport> {
  const lines: string[] = []
  let ok = true
  const provider = createProvider({
    ...surroundings,
    config: config.provider,
    claimsWanted: [],
    requireVerifiedEmail: false,
    cache: { metadata: noDocuments, jwks: noDocuments },
  })
  provider.start()
  try {
    await provider.authorizationURL({
      redirectURI: `https://check.invalid${config.paths.callback}`,
      state: 'check',
      nonce: 'check',
      codeVerifier: 'check'.repeat(10),
    })
    lines.push(`provider: reached ${config.provider.providerURL}`)
  } catch (error) {
    ok = false
    lines.push(`provider: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    provider.stop()
  }
  return { ok, lines }
}

const noDocuments = { get: () => Promise.resolve(undefined), set: () => Promise.resolve() }
