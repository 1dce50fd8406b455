// Which calls to the provider are under way. A code is spent and a refresh token rotated once the call has arrived: who cuts one
// loses what it would have brought.
import type { Provider } from './provider.ts'

export interface CallsUnderWay {
  /** The same call, remembered until it has ended. */
  noted<T>(call: Promise<T>): Promise<T>
  /** Resolves once no call is under way. */
  settled(): Promise<void>
}

export function createCallsUnderWay(): CallsUnderWay {
  const underWay = new Set<Promise<unknown>>()
  return {
    noted(call) {
      const forget = () => void underWay.delete(call)
      underWay.add(call)
      call.then(forget, forget)
      return call
    },
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
  }
}

/** Its calls are among `calls`, which may hold others, too. */
export function withCallsAwaited<P extends Provider>(provider: P, calls: CallsUnderWay): P {
  return {
    ...provider,
    exchangeCode: (callback) => calls.noted(provider.exchangeCode(callback)),
    refresh: (tokens, expected) => calls.noted(provider.refresh(tokens, expected)),
    revoke: (tokens) => calls.noted(provider.revoke(tokens)),
  }
}
