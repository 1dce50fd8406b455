// The provider tells this service that somebody has logged out there (OpenID Connect Back-Channel Logout 1.0).
// The sessions end first, and only then is the token used up. The other way round, a replica that dies between the two, or that finds
// nobody to keep the logout, would have spent the token of a logout that never was. Nothing is lost by it: the same token once more
// ends the same sessions, none that began after it, and the second one is refused all the same.
import type { ReplayDetection } from '../cache/replay-detection.ts'
import { SignalRejected } from '../errors.ts'
import type { LogoutToken } from '../oidc/logout-token.ts'
import type { Provider } from '../oidc/provider.ts'
import type { EndSelected, Selection } from '../session/selection.ts'
import type { Clock } from '../time.ts'
import type { Effect } from './signals.ts'

/** Throws SignalRejected, ProviderUnavailable or StoreUnavailable. */
export type BackChannelLogout = (logoutToken: string) => Promise<Effect>

export function createBackChannelLogout(deps: {
  providers: Pick<Provider, 'readLogoutToken'>
  endSelected: EndSelected
  used: ReplayDetection
  disableReplayDetection: boolean
  clockSkewMs: number
  clock: Clock
}): BackChannelLogout {
  const { providers, endSelected, used, clock } = deps
  return async (token) => {
    const read = await providers.readLogoutToken(token)
    const { ended, isKept } = await endSelected(selectionOf(read))
    const effect = { sessions: ended, isKept }
    if (!isKept || deps.disableReplayDetection) return effect
    const ttlMs = Math.max(1, read.expiresAt - clock()) + deps.clockSkewMs
    if (await used.first('logout_token', `${read.issuer} ${read.tokenID}`, ttlMs)) return effect
    throw new SignalRejected('replayed', 'a token with this jti came before')
  }
}

function selectionOf({ issuer, about, issuedAt: issuedAtMs }: LogoutToken): Selection {
  const issuedAt = Math.floor(issuedAtMs / 1_000)
  if (!('sid' in about)) return { by: 'subject', issuer, subject: about.subject, issuedAt }
  const { sid, subject } = about
  return { by: 'sid', issuer, sid, issuedAt, ...(subject !== undefined && { subject }) }
}
