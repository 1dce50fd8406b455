// The few pages that a person sees: server-rendered, no script, one strict CSP. create-pages.ts puts them together; texts
// live in texts.ts, looks in styles.ts, what keeps hostile input inert in html.ts, one file per page in templates/.

/** One session, as its own person sees it. Times are ms since the epoch. */
export interface SessionOnPage {
  readonly id: string
  readonly createdAt: number
  readonly network?: string | undefined
  readonly browser?: string | undefined
}

export interface OwnSessions {
  readonly user: string
  /** Where forms are posted to: with `?end=` and a session's id, `others` or `everywhere`. */
  readonly action: string
  readonly homeURL: string
  readonly now: number
  readonly current: SessionOnPage
  readonly others: readonly (SessionOnPage & { readonly lastSeenAt: number })[]
  /** Not all are shown. */
  readonly hasMore: boolean
}

/** Where somebody can log in. `logo`: as the operator gave it. */
export interface ProviderOnPage {
  readonly title: string
  readonly logo: string | undefined
  readonly loginURL: string
}

/** HTML documents. Every argument is untrusted and escaped here. URLs are http(s) or paths. */
export interface Pages {
  signIn(page: { loginURL: string }): string
  chooseProvider(page: { choices: readonly ProviderOnPage[] }): string
  /** `reason`: the public code; the text for it tells the person what to do next. `retriesByItself`: without a click. */
  error(page: {
    status: number
    reason: string
    requestId: string
    retryURL: string | undefined
    retriesByItself?: boolean | undefined
  }): string
  /** `reason`: a DenialReason or PolicyDenial; absent: the general words. */
  forbidden(page: {
    user: string
    switchAccountURL: string
    logoutURL: string
    requestId: string
    reason?: string
  }): string
  signedOut(page: { loginURL: string }): string
  /** Goes on to `url` by itself. */
  goOn(page: { url: string }): string
  /** `sessionsURL`: where all of theirs are. */
  confirmLogout(page: { action: string; user: string | undefined; sessionsURL: string }): string
  sessions(page: OwnSessions): string
  /** Headers for every page: content type, CSP (with the style's hash), no-store, referrer policy, frame protection. */
  readonly headers: Readonly<Record<string, string>>
}
