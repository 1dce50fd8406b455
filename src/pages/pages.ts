// The few pages that a person sees: server-rendered, no script, one strict CSP. create-pages.ts puts them together; texts
// live in texts.ts, looks in styles.ts, what keeps hostile input inert in html.ts, one file per page in templates/.

/** HTML documents. Every argument is untrusted and escaped here. URLs are http(s) or paths. */
export interface Pages {
  signIn(page: { loginURL: string }): string
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
  confirmLogout(page: { action: string; user: string | undefined }): string
  /** Headers for every page: content type, CSP (with the style's hash), no-store, referrer policy, frame protection. */
  readonly headers: Readonly<Record<string, string>>
}
