// The few pages that a person sees: server-rendered, no script, one strict CSP. Texts live in texts.ts, looks in styles.ts.

/** HTML documents. Every argument is untrusted and escaped here. URLs are http(s) or paths. */
export interface Pages {
  signIn(page: { loginURL: string; providerName: string | undefined }): string
  /** `reason`: the public code; the text for it tells the person what to do next. */
  error(page: { status: number; reason: string; requestId: string; retryURL: string | undefined }): string
  forbidden(page: { user: string; switchAccountURL: string; logoutURL: string; requestId: string }): string
  signedOut(page: { loginURL: string }): string
  confirmLogout(page: { action: string; user: string | undefined }): string
  /** Headers for every page: content type, CSP (with the style's hash), no-store, referrer policy, frame protection. */
  readonly headers: Readonly<Record<string, string>>
}
