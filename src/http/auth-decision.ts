// What a decision is about, and what comes out of one: shared by those who allow (auth.ts) and those who do not (denials.ts).
import type { AccessRules, OriginalRequest, Policy } from '../access/access.ts'
import type { HeaderRecord } from '../access/identity-headers.ts'
import { contractNames, type Contract } from '../config/contracts.ts'
import type { TokenIdentity } from '../bearer/verified-tokens.ts'
import type { Session } from '../session/session.ts'
import type { HttpResponse } from './http-response.ts'
import type { Subrequest } from './contracts.ts'
import type { Constraint } from './oauth2-proxy-query.ts'

/** Either the makings of a 200, with the session or the token that it names, or a whole answer. `cookies`: only where the operator says that they arrive. */
export type AuthDecision =
  | {
      readonly allow: Allowed
      readonly session?: Session | undefined
      /** Of a token. */
      readonly token?: TokenIdentity | undefined
      readonly cookies?: readonly string[]
    }
  | { readonly allow: undefined; readonly answer: HttpResponse }

/** The identity headers, as a record and as they go out: name, value, name, value, ... with the empty body's length. */
export interface Allowed {
  readonly headers: HeaderRecord
  readonly wire: string[]
}

export interface AuthRequest extends Subrequest {
  /** The socket's own address: what trust goes by. */
  readonly peer: string | undefined
}

/** The contract, as metrics name it; `proxy` is reverse-proxy mode. */
export type Label = Contract | 'proxy'
export const labels: readonly Label[] = [...contractNames, 'proxy']

/** Everything one decision is about. */
export interface DecisionContext {
  readonly label: Label
  readonly request: AuthRequest
  readonly original: OriginalRequest
  readonly policy: Policy
  readonly rules: AccessRules
  readonly constraint: Constraint | undefined
}

export const allowing = (headers: HeaderRecord, session?: Session): AuthDecision & { readonly allow: Allowed } => ({
  allow: { headers, wire: [...Object.entries(headers).flat(), 'content-length', '0'] },
  session,
})

export const refusedWith = (answer: HttpResponse): AuthDecision => ({ allow: undefined, answer })
