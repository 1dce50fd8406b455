// Every word that a person reads. To translate: copy, change `lang` (and `dir`), keep the codes. A reason without a text does
// not compile. Three questions each: what is it called, what happened in plain words, what can I do now?
import type { DenialReason, PolicyDenial } from '../access/access.ts'
import type { LoginReason } from '../errors.ts'

/** Codes of pages that are not about one login. */
export type ServiceReason =
  | 'store_unavailable'
  | 'logout_incomplete'
  | 'sessions_unavailable'
  | 'sessions_incomplete'
  | 'provider_unavailable'
  | 'not_found'
  | 'method_not_allowed'
  | 'bad_request'
  | 'untrusted_peer'
  | 'rate_limited'
  | 'bad_gateway'
  | 'gateway_timeout'
  | 'upstream_busy'
  | 'internal'

export interface ErrorText {
  readonly title: string
  /** What happened. */
  readonly what: string
  /** What to do next. */
  readonly next: string
}

export const texts = {
  lang: 'en',
  dir: 'ltr',
  support: { code: 'Code', request: 'Request' },
  signIn: {
    title: 'Sign in',
    // For those who have a session, too: they may come to change accounts.
    body: 'Go on to sign in with the account that you want to use here.',
    button: 'Sign in',
  },
  chooseProvider: {
    title: 'Sign in',
    body: 'Choose the account that you want to use here.',
    button: (provider: string) => `Continue with ${provider}`,
  },
  signedOut: {
    title: 'You are signed out',
    body: 'Your session here has ended. On a shared computer, close the browser window as well.',
    button: 'Sign in again',
  },
  goOn: {
    title: 'You are signed in',
    body: 'You are being taken to the page that you asked for.',
    button: 'Go on',
  },
  confirmLogout: {
    title: 'Sign out?',
    body: 'Another site may have sent you here. Nothing has happened yet: you are still signed in.',
    signedInAs: 'Signed in as',
    button: 'Sign out',
    stay: 'Stay signed in',
    allSessions: 'Where you are signed in',
  },
  sessions: {
    title: 'Where you are signed in',
    signedInAs: 'Signed in as',
    thisBrowser: 'This browser',
    otherBrowsers: 'Other browsers',
    noOthers: 'You are signed in nowhere else.',
    more: 'There are more, which are not shown here.',
    someBrowser: 'A browser',
    since: 'Signed in',
    lastSeen: 'Last seen',
    network: 'Network',
    note: 'A browser that is still signed in at the sign-in service can come back without a password. If it is not yours any more, change your password there, too.',
    signOut: 'Sign out',
    signOutOthers: 'Sign out all others',
    signOutEverywhere: 'Sign out everywhere',
    back: 'Go back',
  },
  forbidden: {
    title: 'You do not have access',
    next: 'If you have another account, switch to it. Otherwise ask the person who runs this site for access.',
    signedInAs: 'Signed in as',
    switchAccount: 'Switch account',
    signOut: 'Sign out',
  },
  error: { retry: 'Try again' },
} as const

const startAgain = 'Start again. If it keeps happening, tell the person who runs this site, with the code below.'
const tellTheOperator =
  'Trying again may not help: tell the person who runs this site, and give them the code and the request number below.'
const expiredTab: ErrorText = {
  title: 'This sign-in is no longer valid',
  what: 'It was started too long ago, in another browser, or had already been finished.',
  next: 'Start again. You will usually not have to type your password a second time.',
}
const damagedAnswer: ErrorText = {
  title: 'The sign-in did not work',
  what: 'The answer that came back with your browser was incomplete or had been changed on the way.',
  next: startAgain,
}
const untrustedAnswer: ErrorText = {
  title: 'The sign-in could not be verified',
  what: 'The sign-in service sent proof of who you are, but it did not pass our checks. To be safe, you were not signed in.',
  next: tellTheOperator,
}
const wrongTime: ErrorText = {
  title: 'The sign-in was out of time',
  what: 'The proof of who you are was not valid at this moment. The clocks of the two services may differ.',
  next: startAgain,
}
const misconfigured: ErrorText = {
  title: 'The sign-in is not set up correctly',
  what: 'The sign-in service did not accept this site. This is nothing that you did.',
  next: tellTheOperator,
}

/** Exported for the test that looks at every one of them. */
export const errorTexts: Readonly<Record<LoginReason | ServiceReason, ErrorText>> = {
  state_missing: damagedAnswer,
  state_unknown: expiredTab,
  state_reused: {
    title: 'This sign-in was already used',
    what: 'A sign-in link works only once. Going back or reloading the page can bring you here.',
    next: 'Start again. You will usually not have to type your password a second time.',
  },
  ended_meanwhile: {
    title: 'You were signed out meanwhile',
    what: 'Your account was signed out, by you or by whoever looks after it, before this sign-in was complete.',
    next: 'Start again. You will have to sign in at the sign-in service, too.',
  },
  handover_code: {
    title: 'The sign-in was not carried over in time',
    what: 'This site takes your sign-in over from another one. What it was given for that is not valid here, or not any more.',
    next: startAgain,
  },
  handover_host: {
    title: 'The sign-in does not count for that site',
    what: 'It was asked for on behalf of a site that sign-ins are not carried over to.',
    next: 'Go back to the site that you wanted to see. If this happens again, tell whoever operates it.',
  },
  parameter_repeated: damagedAnswer,
  parameter_too_long: damagedAnswer,
  code_missing: damagedAnswer,
  iss_missing: untrustedAnswer,
  iss_mismatch: {
    title: 'The sign-in could not be verified',
    what: 'The answer came from a different sign-in service than the one you were sent to. To be safe, you were not signed in.',
    next: startAgain,
  },
  provider_error: {
    title: 'The sign-in service reported a problem',
    what: 'It could not finish your sign-in.',
    next: startAgain,
  },
  access_denied: {
    title: 'The sign-in was cancelled',
    what: 'You said no, or the sign-in service did not let this account through.',
    next: 'Try again, or use another account. If you believe you should have access, ask the person who runs this site.',
  },
  code_rejected: expiredTab,
  client_rejected: misconfigured,
  token_response_invalid: untrustedAnswer,
  id_token_missing: misconfigured,
  id_token_malformed: untrustedAnswer,
  id_token_signature: untrustedAnswer,
  id_token_algorithm: untrustedAnswer,
  id_token_issuer: untrustedAnswer,
  id_token_audience: untrustedAnswer,
  id_token_azp: untrustedAnswer,
  id_token_expired: wrongTime,
  id_token_not_yet_valid: wrongTime,
  id_token_issued_at: wrongTime,
  id_token_nonce: {
    title: 'The sign-in could not be verified',
    what: 'The answer belongs to a different sign-in than the one started in this browser. To be safe, you were not signed in.',
    next: startAgain,
  },
  id_token_at_hash: untrustedAnswer,
  id_token_subject: untrustedAnswer,
  id_token_auth_time: {
    title: 'Please sign in afresh',
    what: 'This page asks for a recent sign-in, and the sign-in service did not say that yours is one. You are still signed in to the rest.',
    next: 'Try again and enter your password when you are asked for it. If you are not asked, tell the person who runs this site: the sign-in service must support max_age and send auth_time.',
  },
  id_token_acr: {
    title: 'Please sign in another way',
    what: 'This page asks for a stronger way of signing in, such as a second factor, and the sign-in service did not use one. You are still signed in to the rest.',
    next: 'Try again and sign in the way that you are asked to. If you are not asked, tell the person who runs this site: the sign-in service must offer one of the ways (acr) that its rule names.',
  },
  id_token_replayed: {
    title: 'This sign-in was already used',
    what: 'The same proof of who you are had been used before. To be safe, you were not signed in a second time.',
    next: startAgain,
  },
  access_token_audience: untrustedAnswer,
  userinfo_subject: untrustedAnswer,
  userinfo_invalid: untrustedAnswer,
  email_not_verified: {
    title: 'Your e-mail address is not verified',
    what: 'This site lets in verified e-mail addresses only, and the sign-in service has not verified yours.',
    next: 'Verify your address with the sign-in service (look for its message in your mailbox), then try again.',
  },
  claims_too_large: {
    title: 'Your account is too large for this site',
    what: 'The sign-in service sent more about your account, usually groups, than can be kept here.',
    next: tellTheOperator,
  },
  logout_incomplete: {
    title: 'Not signed out everywhere yet',
    what: 'You are signed out on this server, but others cannot be told at the moment.',
    next: 'Try again until you read that you are signed out. On a shared computer, do not leave before that.',
  },
  sessions_unavailable: {
    title: 'The list is not at hand',
    what: 'You are still signed in. Where else you are cannot be looked up at the moment, and nothing was ended.',
    next: 'Wait a few seconds and try again. Signing out of this browser, or everywhere, works meanwhile.',
  },
  sessions_incomplete: {
    title: 'Not signed out there for certain yet',
    what: 'What you chose has ended on this server, but others cannot be told at the moment.',
    next: 'Go back to the list in a moment, and try again if it is still there.',
  },
  store_unavailable: {
    title: 'Please try again in a moment',
    what: 'We cannot look up your session at the moment. You have not been signed out.',
    next: 'Wait a few seconds and try again.',
  },
  provider_unavailable: {
    title: 'The sign-in service does not answer',
    what: 'We could not reach the service that signs you in. This is usually over soon.',
    next: 'Wait a moment and try again.',
  },
  not_found: {
    title: 'There is no such page',
    what: 'The address may be mistyped, or the page has moved.',
    next: 'Check the address, or go back to where you came from.',
  },
  method_not_allowed: {
    title: 'This page cannot be used like that',
    what: 'It was asked for in a way that it does not support.',
    next: 'Go back and try again from the beginning.',
  },
  bad_request: {
    title: 'We could not understand the request',
    what: 'The address or the data sent with it is not valid.',
    next: 'Check the address, or go back and try again.',
  },
  untrusted_peer: {
    title: 'This request came a wrong way',
    what: 'It did not arrive through a proxy that this service trusts. This is nothing that you did.',
    next: tellTheOperator,
  },
  rate_limited: {
    title: 'Too many attempts',
    what: 'There were too many attempts from your network within a short time.',
    next: 'Wait a minute, then try again.',
  },
  bad_gateway: {
    title: 'The application does not answer',
    what: 'The application behind this page could not be reached. Your sign-in is not at fault.',
    next: 'Wait a moment and try again.',
  },
  gateway_timeout: {
    title: 'The application takes too long',
    what: 'The application behind this page did not answer in time. Your sign-in is not at fault.',
    next: 'Wait a moment and try again.',
  },
  upstream_busy: {
    title: 'The application is busy',
    what: 'As many requests are under way as the application behind this page may have. Your sign-in is not at fault.',
    next: 'Wait a moment and try again.',
  },
  internal: {
    title: 'Something went wrong',
    what: 'An error on our side kept us from answering. This is nothing that you did.',
    next: startAgain,
  },
}

export const denialTexts: Readonly<Record<DenialReason | PolicyDenial, string>> = {
  user_not_allowed: 'You are signed in, but this account is not among those that may use this page.',
  group_not_allowed: 'You are signed in, but your account is in none of the groups that may use this page.',
  scope_not_granted:
    'You are signed in, but this page is for programs: it asks for a token with rights that a sign-in does not give.',
  role_not_allowed: 'You are signed in, but your account has none of the roles that may use this page.',
  claim_not_allowed: 'You are signed in, but your account lacks something that this page asks for.',
  email_not_verified: 'You are signed in, but your e-mail address has not been verified by the sign-in service.',
  insufficient_user_authentication:
    'You are signed in, but this page asks for two ways of signing in that exclude each other: its rules name no way (acr) in common.',
  provider_not_allowed:
    'You are signed in with an account of another kind than this page is for. Sign in with the other one to go on.',
  denied_by_rule: 'This page is closed to everybody.',
  ambiguous_path: 'The address of this page can be read in more than one way, so it was refused to be safe.',
  request_not_stated:
    'The server in front of this page did not say which page was asked for, so it was refused to be safe.',
}

/** How long ago something was; `ms` below 0 is now. */
export function timeAgo(ms: number): string {
  const of = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'} ago`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return of(minutes, 'minute')
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? of(hours, 'hour') : of(Math.floor(hours / 24), 'day')
}

/** Text for a public code; for one that is unknown, general words that fit the status. */
export function errorText(reason: string, status: number): ErrorText {
  if (isKnown(errorTexts, reason)) return errorTexts[reason]
  if (isKnown(denialTexts, reason) || status === 403) {
    return { title: texts.forbidden.title, what: denialText(reason), next: texts.forbidden.next }
  }
  return errorTexts[status < 500 ? 'bad_request' : 'internal']
}

export function denialText(reason: string | undefined): string {
  return reason !== undefined && isKnown(denialTexts, reason)
    ? denialTexts[reason]
    : 'This account may not use this page.'
}

/** Codes may come from outside: `constructor` is not one. */
function isKnown<Known extends string>(table: Readonly<Record<Known, unknown>>, code: string): code is Known {
  return Object.hasOwn(table, code)
}
