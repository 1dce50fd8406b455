// The provider's page shows one of ours in a frame when somebody logs out there (OpenID Connect Front-Channel Logout 1.0). Nothing is
// signed, and a frame of another site brings no cookie of ours: whoever knows the `sid` can do it. It is in ID tokens and in this
// very address, and no guess. So this ends the sessions with that `sid` and no others; of one that is not known nothing is kept,
// or any page could fill what replicas remember.
import { SignalRejected } from '../errors.ts'
import type { EndSelected } from '../session/selection.ts'
import type { Clock } from '../time.ts'
import type { Effect } from './signals.ts'

const maxSidLength = 1_024
/** Characters: room for an issuer and a `sid`, however they are encoded. */
const maxQueryLength = 8_192

/** A session of the provider's own. */
export interface ProviderSession {
  readonly issuer: string
  readonly sid: string
}

export interface FrontChannelLogout {
  /** Of a request that names one of the providers. Throws SignalRejected. */
  read(query: string): ProviderSession
  end(session: ProviderSession): Promise<Effect>
}

export function createFrontChannelLogout(deps: {
  isIssuer: (issuer: string) => boolean
  endSelected: EndSelected
  clockSkewMs: number
  clock: Clock
}): FrontChannelLogout {
  const { isIssuer, endSelected, clockSkewMs, clock } = deps
  return {
    read(query) {
      if (query.length > maxQueryLength) throw new SignalRejected('token_too_large', 'the address is too long')
      const parameters = new URLSearchParams(query)
      // The specification lets a provider leave both out: then it could mean anybody.
      const { iss, sid } = { iss: single(parameters, 'iss'), sid: single(parameters, 'sid') }
      if (iss === undefined || !isIssuer(iss))
        throw new SignalRejected('issuer', 'iss is missing, or not one that is configured')
      if (sid === undefined || sid === '' || sid.length > maxSidLength)
        throw new SignalRejected('subject', 'sid is missing or not of 1 to 1024 characters')
      return { issuer: iss, sid }
    },
    async end({ issuer, sid }) {
      // Nobody says when: now, by a clock of the provider's that may be ahead of ours. A session begun since has another `sid`.
      const issuedAt = Math.ceil((clock() + clockSkewMs) / 1_000)
      const { ended, isKept } = await endSelected({ by: 'sid', issuer, sid, issuedAt, onlyKnown: true })
      return { sessions: ended, isKept }
    },
  }
}

function single(parameters: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = parameters.getAll(name)
  if (others.length > 0) throw new SignalRejected('token_repeated', `${name} is there more than once`)
  return value
}
