// Where somebody's keys are, by their own document: asked for when the first token of theirs comes, and again after an hour; what was
// found serves for a day. Tokens are brought by strangers: nobody is asked twice in five seconds, and trouble is told once.
import { createHash } from 'node:crypto'
import type { Documents } from '../cache/documents.ts'
import { ProviderUnavailable } from '../errors.ts'
import { seconds, type Clock } from '../time.ts'
import { freshMs, load, save, usableMs } from './document-cache.ts'
import { asked } from './faults.ts'
import type { JSONObject } from './json.ts'
import { mayBeCalled } from './metadata.ts'
import { jsonObject, type Transport } from './transport.ts'

/** Throws ProviderUnavailable while it is not known. */
export type KeysLocation = () => Promise<string>

export interface KeysLocationOptions {
  /** Which kind of document: in the cache each has names of its own. */
  readonly kind: string
  /** Whose: the document has to say the same. */
  readonly issuer: string
  /** Where it may be, at least one: the first that answers with a document counts. */
  readonly addresses: readonly string[]
  readonly maxBytes: number
  readonly allowInsecure: boolean
  /** What the operator may do instead: the end of a sentence. */
  readonly remedy: string
  readonly transport: Pick<Transport, 'send'>
  readonly cache: Documents
  readonly clock: Clock
  /** When it begins, and not at each attempt. */
  readonly onTrouble: (detail: string) => void
  readonly onReadyAgain: () => void
}

const betweenAttemptsMs = seconds(5)

export function createKeysLocation(options: KeysLocationOptions): KeysLocation {
  const { kind, issuer, addresses, transport, cache, clock } = options
  const id = createHash('sha256')
    .update([kind, issuer, ...addresses].join(' '))
    .digest('base64url')
  let known: { readonly uri: string; readonly fetchedAt: number } | undefined
  let attempt: Promise<void> | undefined
  let failure: { readonly error: unknown; readonly at: number } | undefined

  async function fetchDocument(): Promise<void> {
    let why = ''
    for (const address of addresses) {
      const request = {
        operation: 'discovery',
        url: new URL(address),
        headers: { accept: 'application/json' },
        maxBytes: options.maxBytes,
      } as const
      const answer = await transport.send(request)
      const document = answer.status === 200 ? jsonObject(answer) : undefined
      const here = `${asked(request)}: status ${answer.status}`
      why ||= `${here}, no document`
      if (document === undefined) continue
      const uri = uriIn(document, here)
      known = { uri, fetchedAt: clock() }
      await save(cache, id, { fetchedAt: known.fetchedAt, document: { issuer, jwks_uri: uri } })
      return
    }
    throw new ProviderUnavailable(`${why}; ${options.remedy}`)
  }

  function uriIn({ issuer: found, jwks_uri: uri }: JSONObject, where: string): string {
    if (found !== issuer) throw new ProviderUnavailable(`${where}, and it is the document of another issuer`)
    if (typeof uri === 'string' && mayBeCalled(uri, issuer, options.allowInsecure)) return uri
    throw new ProviderUnavailable(`${where}, and jwks_uri is missing or may not be called; ${options.remedy}`)
  }

  /** Never rejects. */
  async function find(): Promise<void> {
    try {
      if (known === undefined) {
        const kept = await load(cache, id, clock)
        if (kept !== undefined) known = { uri: uriIn(kept.document, 'what was kept'), fetchedAt: kept.fetchedAt }
      }
      if (known === undefined || clock() - known.fetchedAt >= freshMs) await fetchDocument()
      if (failure !== undefined) options.onReadyAgain()
      failure = undefined
    } catch (error) {
      if (failure === undefined) options.onTrouble(error instanceof Error ? error.message : 'unknown')
      failure = { error, at: clock() }
    }
  }

  return async () => {
    const age = known === undefined ? Infinity : clock() - known.fetchedAt
    const mayAsk = failure === undefined || clock() - failure.at >= betweenAttemptsMs
    if (age >= freshMs && mayAsk) {
      attempt ??= find().finally(() => (attempt = undefined))
      await attempt
    }
    if (known !== undefined && clock() - known.fetchedAt < usableMs) return known.uri
    throw failure?.error instanceof ProviderUnavailable
      ? failure.error
      : new ProviderUnavailable(`where the keys of ${issuer} are is not known yet`, { cause: failure?.error })
  }
}
