// The client that was registered, where all replicas find it: one value, sealed, for as long as its secret lives.
import type { SharedCache } from '../cache/shared-cache.ts'
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Sealer } from '../sealing.ts'
import type { Key } from '../store/store.ts'
import type { Clock } from '../time.ts'
import { days } from '../time.ts'
import { decodeClient, encodeClient, type RegisteredClient } from './registered-client.ts'

/** Every method may throw StoreUnavailable. */
export interface ClientStore {
  /** Undefined: there is none, or it cannot be read. */
  read(): Promise<RegisteredClient | undefined>
  write(client: RegisteredClient): Promise<void>
}

/** Written again with each look: what nobody uses any more goes. */
const endlessTtlMs = days(30)

export function createClientStore(deps: {
  readonly cache: Pick<SharedCache, 'store' | 'outage'>
  readonly sealer: Sealer
  readonly scope: string
  readonly clock: Clock
}): ClientStore {
  const { cache, sealer, scope, clock } = deps
  const { store } = cache
  const key: Key = { kind: 'client', id: scope }
  const context = `client:${scope} 1`

  const ttlOf = ({ secretEndsAt }: RegisteredClient): number =>
    Math.max(1, Math.ceil(secretEndsAt === undefined ? endlessTtlMs : secretEndsAt - clock()))

  return {
    async read() {
      const sealed = await store.get(key).catch((error: unknown) => {
        if (error instanceof StoreValueRejected) return undefined
        throw error
      })
      // Whoever takes that for "none was registered" registers a second one.
      if (sealed === undefined && cache.outage.missProvesNothing())
        throw new StoreUnavailable('what the store does not have now it may have had')
      const plain = sealed && sealer.open(sealed, context)
      const client = plain && decodeClient(plain.toString())
      if (client !== undefined && client.secretEndsAt === undefined) await store.touch(key, endlessTtlMs)
      return client
    },
    write: (client) => store.set(key, sealer.seal(Buffer.from(encodeClient(client)), context), ttlOf(client)),
  }
}
