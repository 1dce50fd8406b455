// What an event asks for. Types that are not named here are received and change nothing.
import type { CredentialChange } from '../config/config.ts'
import type { JSONObject } from '../oidc/json.ts'

/** `end`: the sessions are over; `refresh`: what the provider says of the person has changed. */
export type Wanted = 'end' | 'refresh' | 'nothing'

const type = 'https://schemas.openid.net/secevent'
/** The one whose subject may be a session by itself (CAEP 1.0, section 3.1). */
export const sessionRevoked = `${type}/caep/event-type/session-revoked`

type Judge = (payload: JSONObject, endingChanges: readonly CredentialChange[]) => Wanted

const endIf = (holds: boolean): Wanted => (holds ? 'end' : 'nothing')

const judges: ReadonlyMap<string, Judge> = new Map<string, Judge>([
  // CAEP 1.0
  [sessionRevoked, () => 'end'],
  [`${type}/caep/event-type/token-claims-change`, () => 'refresh'],
  [
    `${type}/caep/event-type/credential-change`,
    ({ change_type: change }, ending) =>
      // One that nobody knows is taken for the worst, unless none is of any consequence.
      endIf(isChange(change) ? ending.includes(change) : ending.length > 0),
  ],
  // RISC 1.0
  [`${type}/risc/event-type/account-disabled`, () => 'end'],
  [`${type}/risc/event-type/account-purged`, () => 'end'],
  [`${type}/risc/event-type/sessions-revoked`, () => 'end'],
  [`${type}/risc/event-type/credential-compromise`, (_payload, ending) => endIf(ending.includes('revoke'))],
])

export const judgedTypes: readonly string[] = [...judges.keys()]

const changes: readonly unknown[] = ['create', 'revoke', 'update', 'delete'] satisfies CredentialChange[]
const isChange = (value: unknown): value is CredentialChange => changes.includes(value)

export const wantedBy = (eventType: string, payload: JSONObject, endingChanges: readonly CredentialChange[]): Wanted =>
  judges.get(eventType)?.(payload, endingChanges) ?? 'nothing'
