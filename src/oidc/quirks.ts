// What providers do otherwise, each by its name; which of them has it, by its issuer: who finds out from an issuer's documentation adds a
// row, and nothing else asks who a provider is.

export interface Quirks {
  /**
   * Refuses the scope `offline_access`, and gives a refresh token with `access_type=offline` and only where the person is asked for
   * consent (https://developers.google.com/identity/protocols/oauth2/web-server).
   */
  readonly offlineByParameter: boolean
  /** Whoever takes back one token takes back the person's consent, and ends their other sessions. */
  readonly revocationEndsConsent: boolean
  /**
   * Its logout takes `client_id` and `logout_uri` and knows no `id_token_hint`
   * (https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html).
   */
  readonly logoutByURI: boolean
}

const none: Quirks = { offlineByParameter: false, revocationEndsConsent: false, logoutByURI: false }

const known: readonly (readonly [issuer: RegExp, quirks: Partial<Quirks>])[] = [
  [/^https:\/\/accounts\.google\.com$/, { offlineByParameter: true, revocationEndsConsent: true }],
  [/^https:\/\/cognito-idp\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?\//, { logoutByURI: true }],
]

export function quirksOf(issuer: string): Quirks {
  const [, found] = known.find(([pattern]) => pattern.test(issuer)) ?? []
  return { ...none, ...found }
}
