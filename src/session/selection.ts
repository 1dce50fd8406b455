/** Whose sessions end. Times of the provider's own clock are whole seconds since the epoch, as in its tokens. */
export type Selection =
  /** `sid` of the provider's session; where `subject` is given, too, both must match (Back-Channel Logout 1.0, 2.6). */
  | {
      readonly by: 'sid'
      readonly issuer: string
      readonly sid: string
      readonly subject?: string
      readonly issuedAt: number
      /** Nobody proves that it ended: where no session of it is known, nothing is remembered. */
      readonly onlyKnown?: true
    }
  /** Every session of that person whose ID token is not younger than `issuedAt`. */
  | { readonly by: 'subject'; readonly issuer: string; readonly subject: string; readonly issuedAt: number }
  /** Every session of that person that began until now. */
  | { readonly by: 'person'; readonly issuer: string; readonly subject: string }
  /** Every session that began until now with this value of `userIdentifierClaim`. */
  | { readonly by: 'user'; readonly user: string }
  /** Every session that began `until` then (ms since the epoch), whosever. */
  | { readonly by: 'everybody'; readonly until: number }

/** `ended`: sessions that were found and ended (for logs); `isKept`: the withdrawal survives this process. Never throws. */
export type EndSelected = (selection: Selection) => Promise<{ readonly ended: number; readonly isKept: boolean }>

/**
 * What the provider says of the person has changed: their sessions are refreshed before they count again, and end where they cannot
 * be. `isKept`: that survives this process. Resolves before the provider was asked; asked again with the same selection, nothing more is
 * refreshed. Never throws.
 */
export type RefreshSelected = (selection: Selection) => Promise<{ readonly selected: number; readonly isKept: boolean }>
