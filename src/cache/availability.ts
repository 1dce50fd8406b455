// Whether the shared store is in use, as a state and the steps between states. Nothing here knows Redis or timers.

export type Availability =
  /** It is not in use; what stands in answers. `everWell`: it was, before. */
  | { readonly at: 'away'; readonly since: number; readonly everWell: boolean }
  /** It answers again and is being told what it missed, and asked what this process missed: still away, as reads are concerned. */
  | { readonly at: 'recovering'; readonly since: number; readonly everWell: boolean }
  /** Before `missCountsFrom` a miss may only mean that another replica has not yet written what it knew. */
  | { readonly at: 'well'; readonly missCountsFrom: number }

/** All times: ms, monotonic. */
export type AvailabilityEvent =
  /** The connection is gone, or the circuit is not closed. */
  | { readonly what: 'lost' }
  /** Connected, and the circuit is closed. */
  | { readonly what: 'reached' }
  /** The recovery is complete. */
  | { readonly what: 'recovered' }
  /** The recovery could not be completed; it starts again. */
  | { readonly what: 'broken-off' }

/** As long as another replica may need to notice a recovery, too, and to write what only it knows. */
export const settleMs = 4_000

export const neverReached: Availability = { at: 'away', since: 0, everWell: false }

export function afterEvent(state: Availability, { what }: AvailabilityEvent, now: number): Availability {
  switch (what) {
    case 'lost':
      if (state.at === 'well') return { at: 'away', since: now, everWell: true }
      // A loss during a recovery belongs to the outage that it was to end.
      return { ...state, at: 'away' }
    case 'reached':
      return state.at === 'away' ? { ...state, at: 'recovering' } : state
    case 'recovered':
      if (state.at !== 'recovering') return state
      return { at: 'well', missCountsFrom: state.everWell ? now + settleMs : 0 }
    case 'broken-off':
      return state.at === 'recovering' ? { ...state, at: 'away' } : state
  }
}
