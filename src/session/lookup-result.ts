import type { Session } from './session.ts'

/** The answer to "whose session is this?". */
export type LookupResult =
  | {
      readonly kind: 'found'
      readonly session: Session
      /** `near_stale`, `pass`: the store could not be asked. `stale`: the provider could not. */
      readonly from: 'near' | 'shared' | 'near_stale' | 'pass' | 'stale'
    }
  | { readonly kind: 'absent'; readonly reason: 'malformed' | 'unknown' | 'expired' | 'revoked' | 'ended' }
  /**
   * Nobody can say now: a genuine pass that may not count, or a ticket that the store lacks while others may still write what only
   * they know. No reason to turn them away, and none to let them in. The provider can say who they are.
   */
  | {
      readonly kind: 'unproven'
      /** `superseded`: by a state that cannot be had now, of the same session. `unsettled`: there is
       * not even a pass. */
      readonly reason: 'rights_too_old' | 'horizon_too_old' | 'blind' | 'superseded' | 'unsettled'
      /** Whose pass it is: good for ending it, and for nothing else. */
      readonly session: Session | undefined
    }
