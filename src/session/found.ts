import type { Session } from './session.ts'

/** The answer to "whose session is this?". */
export type Found =
  | {
      readonly kind: 'found'
      readonly session: Session
      /** `near_stale`, `pass`: the store could not be asked. `stale`: the provider could not. */
      readonly from: 'near' | 'shared' | 'near_stale' | 'pass' | 'stale'
    }
  | { readonly kind: 'absent'; readonly reason: 'malformed' | 'unknown' | 'expired' | 'revoked' | 'ended' }
  /**
   * Somebody carries a genuine pass, and the store cannot be asked, but the pass may not count: no reason to turn them away,
   * and none to let them in. The provider can say who they are.
   */
  | {
      readonly kind: 'unproven'
      readonly reason: 'rights_too_old' | 'horizon_too_old' | 'blind'
      /** Whose pass it is: good for ending it, and for nothing else. */
      readonly session: Session
    }
