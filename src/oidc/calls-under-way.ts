// Which calls to the provider are under way. A code is spent and a refresh token rotated once the call has arrived: who cuts one
// loses what it would have brought.
import type { Provider } from './provider.ts'

export interface AwaitedProvider extends Provider {
  /** Resolves once no call is under way. */
  settled(): Promise<void>
}

export function withCallsAwaited(provider: Provider): AwaitedProvider {
  const underWay = new Set<Promise<unknown>>()
  function noted<T>(call: Promise<T>): Promise<T> {
    const forget = () => void underWay.delete(call)
    underWay.add(call)
    call.then(forget, forget)
    return call
  }
  return {
    ...provider,
    exchangeCode: (callback) => noted(provider.exchangeCode(callback)),
    refresh: (tokens, expected) => noted(provider.refresh(tokens, expected)),
    revoke: (tokens) => noted(provider.revoke(tokens)),
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
  }
}
