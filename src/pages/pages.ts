// The few pages that a person sees: server-rendered, no script, one strict CSP. create-pages.ts puts them together; texts
// live in texts.ts, looks in styles.ts, what keeps hostile input inert in html.ts, one file per page in pages/.

/** HTML documents. Every argument is untrusted and escaped here. URLs are http(s) or paths. */
export interface Pages {
  signIn(page: { loginURL: string }): string
  /** `reason`: the public code; the text for it tells the person what to do next. */
  error(page: { status: number; reason: string; requestId: string; retryURL: string | undefined }): string
  /** `reason`: a DenialReason, `denied_by_rule` or `ambiguous_path`; absent: the general words. */
  forbidden(page: {
    user: string
    switchAccountURL: string
    logoutURL: string
    requestId: string
    reason?: string
  }): string
  signedOut(page: { loginURL: string }): string
  confirmLogout(page: { action: string; user: string | undefined }): string
  /** Headers for every page: content type, CSP (with the style's hash), no-store, referrer policy, frame protection. */
  readonly headers: Readonly<Record<string, string>>
}
