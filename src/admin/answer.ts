import type { Refusal, Revocation, SessionPage, SessionView } from './wire.ts'

export interface AdminAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: SessionPage | SessionView | Revocation | (Refusal & Partial<Revocation>)
}

export const actions = ['list', 'show', 'revoke', 'none'] as const
/** `none`: no question that there is. */
export type AdminAction = (typeof actions)[number]

export const outcomes = ['done', 'incomplete', 'refused', 'not_found', 'unavailable', 'failed'] as const
export type AdminOutcome = (typeof outcomes)[number]

/** What was asked and what came of it, for the record. */
export interface AdminAct {
  readonly action: AdminAction
  readonly outcome: AdminOutcome
  /** Whom it was about: as it was named, and by what. */
  readonly by?: string
  readonly whom?: string | undefined
  readonly issuer?: string | undefined
  /** Sessions listed, or ended. */
  readonly count?: number | undefined
}

/** Understood as far as it goes, and wrong: the message says what would be right. Status 400 unless it says otherwise. */
export class WrongQuestion extends Error {
  readonly status: number
  readonly code: string
  constructor(message: string, status = 400, code = 'bad_request') {
    super(message)
    this.status = status
    this.code = code
  }
}

export const refusal = (
  status: number,
  error: string,
  message: string,
  headers?: Readonly<Record<string, string>>,
): AdminAnswer => ({ status, ...(headers && { headers }), body: { error, message } })
