// What a registration brought (RFC 7591 section 3.2.1), as it is kept, and when something is to be done about it. Pure.
import { createHash } from 'node:crypto'
import type { ProviderConfig } from '../config/config.ts'
import { hours } from '../time.ts'

export interface Credentials {
  readonly clientID: string
  readonly clientSecret: string | undefined
  readonly authMethod: ProviderConfig['clientAuthMethod']
}

export interface RegisteredClient extends Credentials {
  /** Grows by one with each change: the newer one counts, whoever finds it. */
  readonly version: number
  /** Fingerprint of what was asked for. */
  readonly asked: string
  /** When its secret was issued (ms since the epoch, as all times here). */
  readonly issuedAt: number
  /** Undefined: its secret has no end. */
  readonly secretEndsAt: number | undefined
  /** Where and with what it may be changed (RFC 7592 section 3). */
  readonly management: { readonly url: string; readonly token: string } | undefined
  /** The client of before, for the refresh tokens that were issued to it. */
  readonly previous: Credentials | undefined
}

const format = 1
const renewBeforeMs = hours(24)

export const encodeClient = (client: RegisteredClient): string => JSON.stringify({ format, ...client })

/** Undefined for another format: of a newer version, which this one must not misread. */
export function decodeClient(text: string): RegisteredClient | undefined {
  // Sealed by us under this format: the shape is what `encodeClient` wrote.
  const { format: found, ...client } = JSON.parse(text) as RegisteredClient & { format: number }
  return found === format ? client : undefined
}

export const fingerprintOf = (asked: object): string =>
  createHash('sha256').update(JSON.stringify(asked)).digest('base64url').slice(0, 22)

/** A day before its secret ends; of one that lives for less than three, after two thirds of its life. */
export function renewalTime({ issuedAt, secretEndsAt }: RegisteredClient): number {
  if (secretEndsAt === undefined) return Infinity
  return secretEndsAt - Math.min(renewBeforeMs, (secretEndsAt - issuedAt) / 3)
}

export const hasEnded = ({ secretEndsAt }: RegisteredClient, now: number): boolean =>
  secretEndsAt !== undefined && secretEndsAt <= now
