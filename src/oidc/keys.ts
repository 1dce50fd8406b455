// The provider's public keys: fetched when first needed, again after an hour, and out of turn when a token names a key that we do not
// know. While the provider cannot be reached they serve for a day.
import { createHash } from 'node:crypto'
import type { JWK, LocalJWKSet } from 'jose'
import { createLocalJWKSet } from 'jose'
import { ProviderUnavailable } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import { seconds } from '../time.ts'
import type { Documents } from '../cache/documents.ts'
import { freshMs, load, save, usableMs } from './document-cache.ts'
import { asked } from './faults.ts'
import { isObject, type JSONObject } from './json.ts'
import { mayKeySign } from './tenants.ts'
import type { Transport } from './transport.ts'
import { jsonObject } from './transport.ts'

export interface KeySet {
  readonly uri: string
  /** The keys in one order: tells new ones from the same ones again. */
  readonly text: string
  readonly fetchedAt: number
  /** Those that may sign for this issuer. */
  for(issuer: unknown): LocalJWKSet
}

export interface Keys {
  /** Throws ProviderUnavailable when there are none and none can be fetched; for anybody's token they are asked for once a second. */
  current(uri: string, from: TokenSource): Promise<KeySet>
  /**
   * Newer keys than `seen`, which lacked the one a token was signed with. Undefined while the cool-down lasts: after a fetch out of
   * turn that brought nothing new. Throws ProviderUnavailable when they cannot be fetched.
   */
  newerThan(seen: KeySet, from: TokenSource): Promise<KeySet | undefined>
}

/**
 * Who handed us the token: the provider itself when it was asked, or whoever comes to a door of ours. Each has a cool-down of its own,
 * so that no stranger's made-up tokens stand in the way of logins after the provider has changed its keys.
 */
export type TokenSource = 'provider' | 'anybody'

export interface KeysOptions {
  readonly transport: Transport
  readonly cache: Documents
  readonly clock: Clock
  readonly logger: Logger
}

const maxBytes = 1024 * 1024
const coolDownMs = seconds(30)
/** A logout that comes while a stranger keeps it up is refused if the provider has changed its keys meanwhile, and perhaps not repeated. */
const strangersCoolDownMs = seconds(10)

export function createKeys({ transport, cache, clock, logger }: KeysOptions): Keys {
  let held: KeySet | undefined
  let fetching: { uri: string; keys: Promise<KeySet> } | undefined
  const lastInVainAt = { provider: -Infinity, anybody: -Infinity }
  let lastFailureAt = -Infinity
  let lastFailure: unknown

  async function download(uri: string): Promise<KeySet> {
    try {
      const request = {
        operation: 'jwks',
        url: new URL(uri),
        headers: { accept: 'application/jwk-set+json, application/json' },
        maxBytes,
      } as const
      const answer = await transport.send(request)
      const document = answer.status === 200 ? jsonObject(answer) : undefined
      const keys = document === undefined ? undefined : keySet(uri, document, clock())
      if (document === undefined || keys === undefined) {
        throw new ProviderUnavailable(`${asked(request)}: status ${answer.status}, and no set of keys`)
      }
      if (lastFailure !== undefined) logger.info({ event: 'provider_keys_ready' }, 'the provider sends its keys again')
      lastFailure = undefined
      held = keys
      await save(cache, cacheId(uri), { fetchedAt: keys.fetchedAt, document })
      return keys
    } catch (error) {
      if (lastFailure === undefined) {
        const detail = error instanceof Error ? error.message : 'unknown'
        logger.warn({ event: 'provider_keys_unavailable', detail }, 'the keys of the provider cannot be fetched')
      }
      lastFailure = error
      lastFailureAt = clock()
      throw error
    }
  }

  const hasJustFailed = () => lastFailure !== undefined && clock() - lastFailureAt < seconds(1)

  function fetchKeys(uri: string): Promise<KeySet> {
    if (fetching?.uri === uri) return fetching.keys
    const keys = download(uri).finally(() => {
      if (fetching?.keys === keys) fetching = undefined
    })
    fetching = { uri, keys }
    return keys
  }

  async function fromCache(uri: string): Promise<KeySet | undefined> {
    const kept = await load(cache, cacheId(uri), clock)
    const keys = kept === undefined ? undefined : keySet(uri, kept.document, kept.fetchedAt)
    if (keys !== undefined && (held?.uri !== uri || held.fetchedAt < keys.fetchedAt)) held = keys
    return keys
  }

  return {
    async current(uri, from) {
      if (held?.uri !== uri && from === 'anybody' && hasJustFailed()) throw lastFailure
      if (held?.uri !== uri) await fromCache(uri)
      const known = held?.uri === uri && clock() - held.fetchedAt < usableMs ? held : undefined
      if (known !== undefined && clock() - known.fetchedAt < freshMs) return known
      // With old keys at hand a provider in trouble is not asked by every login, nor does every login wait for it.
      if (known !== undefined && clock() - lastFailureAt < coolDownMs) return known
      try {
        return await fetchKeys(uri)
      } catch (error) {
        if (known !== undefined) return known
        throw error
      }
    },

    async newerThan(seen, from) {
      if (held !== undefined && held !== seen && held.uri === seen.uri) return held
      // Joining a fetch under way costs the provider nothing.
      if (fetching?.uri === seen.uri) return fetching.keys
      // Keys may change twice within a minute, so that a fetch which brought new ones starts no cool-down. A provider that signs
      // with what it does not publish is asked once per cool-down, however many log in.
      if (clock() - lastInVainAt[from] < (from === 'provider' ? coolDownMs : strangersCoolDownMs)) return undefined
      if (hasJustFailed()) throw lastFailure
      const keys = await fetchKeys(seen.uri)
      if (keys.text === seen.text) lastInVainAt[from] = clock()
      return keys
    },
  }
}

const cacheId = (uri: string): string => createHash('sha256').update(uri).digest('base64url')

/** Nearly every provider's keys are for all that it issues. */
function keysByIssuer(keys: readonly JWK[]): KeySet['for'] {
  const all = createLocalJWKSet({ keys: [...keys] })
  if (keys.every((key) => mayKeySign(key, undefined))) return () => all
  const bySelection = new Map<string, LocalJWKSet>()
  return (issuer) => {
    const chosen = keys.map((key) => mayKeySign(key, issuer))
    const selection = chosen.map(Number).join('')
    const known = bySelection.get(selection) ?? createLocalJWKSet({ keys: keys.filter((_, index) => chosen[index]) })
    bySelection.set(selection, known)
    return known
  }
}

/** Keys of a kind we do not know are kept: they are simply never chosen. */
function keySet(uri: string, document: JSONObject, fetchedAt: number): KeySet | undefined {
  const keys: unknown = document['keys']
  if (!Array.isArray(keys)) return undefined
  const usable = keys.filter((key: unknown): key is JWK => isObject(key) && typeof key['kty'] === 'string')
  try {
    return {
      uri,
      text: usable
        .map((key) => JSON.stringify(key))
        .sort()
        .join(),
      fetchedAt,
      for: keysByIssuer(usable),
    }
  } catch {
    return undefined
  }
}
