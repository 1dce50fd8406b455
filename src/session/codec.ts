// How a session looks in the store: one value, the identity first, so that a read of the first kilobyte is enough for a
// decision and the tokens stay where they are.
//
//   0      format version: 1, or 2 where it names its provider (which replicas that know only one must not take for theirs)
//   1..4   generation (unsigned, big endian)
//   5..7   length of the sealed identity
//   8..    sealed identity, then sealed tokens
//
// Both parts name the key, the format and the generation in their authenticated context: nothing can be swapped between
// sessions, between the parts, or between two states of one session.
import type { Sealer } from '../sealing.ts'
import type { Session, SessionWithTokens } from './session.ts'
import type { Claims, Tokens } from '../oidc/provider.ts'
import type { Ticket } from './ticket.ts'

export const headBytes = 8
/** What a read for a decision asks for: with command and reply, no more than 1 KB moves. */
export const identityReadBytes = 896

export interface SessionCodec {
  encode(full: SessionWithTokens, ticket: Ticket): Buffer
  /** 'short': the identity goes on past the end of `value`, read all of it. undefined: not ours, damaged, newer, moved. */
  decode(value: Buffer, ticket: Ticket): Session | 'short' | undefined
  /** Needs the whole value. */
  decodeTokens(value: Buffer, ticket: Ticket): Tokens | undefined
}

interface StoredIdentity {
  readonly s: string
  readonly i: string
  readonly v?: string
  readonly p?: string
  readonly c: Claims
  readonly b: number
  readonly x: number
  readonly t: number
  readonly f: number
  readonly r: 0 | 1
  readonly l?: number
  readonly a?: number
  readonly z?: Readonly<Record<string, number>>
  readonly n?: string
  readonly w?: string
  readonly q?: string
  readonly u?: number
  readonly h?: 1
}

interface StoredTokens {
  readonly a: string
  readonly i?: string
  readonly r?: string
  readonly k?: string
}

/**
 * `maxAgeMs`: `session.maxAge` of today; sessions that were begun under a longer one end by it, too. `isOurs`: whether the provider
 * of a session is one of those that are configured.
 */
export function createSessionCodec(
  sealer: Sealer,
  maxAgeMs: number,
  isOurs: (provider: string | undefined) => boolean,
): SessionCodec {
  const context = (ticket: Ticket, { version, generation }: Named, part: 'identity' | 'tokens') =>
    `session:${ticket.id} ${version} ${generation} ${part}`

  return {
    encode({ session, tokens }, ticket) {
      const identity: StoredIdentity = {
        s: session.subject,
        i: session.issuer,
        ...(session.provider !== undefined && { v: session.provider }),
        ...(session.providerSessionId !== undefined && { p: session.providerSessionId }),
        c: session.claims,
        b: session.createdAt,
        x: session.expiresAt,
        t: session.tokenExpiresAt,
        f: session.refreshAt,
        r: session.refreshable ? 1 : 0,
        ...(session.lostAnswers !== undefined && { l: session.lostAnswers }),
        ...(session.issuedAt !== undefined && { a: session.issuedAt }),
        ...(session.after !== undefined && { z: session.after }),
        ...(session.network !== undefined && { n: session.network }),
        ...(session.browser !== undefined && { w: session.browser }),
        ...(session.acr !== undefined && { q: session.acr }),
        ...(session.authenticatedAt !== undefined && { u: session.authenticatedAt }),
        ...(session.isHalfKnown === true && { h: 1 }),
      }
      const beside: StoredTokens = {
        a: tokens.accessToken,
        ...(tokens.idToken !== undefined && { i: tokens.idToken }),
        ...(tokens.refreshToken !== undefined && { r: tokens.refreshToken }),
        ...(tokens.proofKey !== undefined && { k: tokens.proofKey }),
      }
      const named: Named = { version: session.provider === undefined ? 1 : 2, generation: session.generation }
      const sealedIdentity = sealer.seal(json(identity), context(ticket, named, 'identity'), ticket.secret)
      const head = Buffer.alloc(headBytes)
      head.writeUInt8(named.version, 0)
      head.writeUInt32BE(named.generation, 1)
      head.writeUIntBE(sealedIdentity.length, 5, 3)
      return Buffer.concat([
        head,
        sealedIdentity,
        sealer.seal(json(beside), context(ticket, named, 'tokens'), ticket.secret),
      ])
    },

    decode(value, ticket) {
      const head = readHead(value)
      if (head === undefined) return undefined
      if (value.length < head.tokensAt) return 'short'
      const plain = sealer.open(
        value.subarray(headBytes, head.tokensAt),
        context(ticket, head, 'identity'),
        ticket.secret,
      )
      if (plain === undefined) return undefined
      // Sealed by us under this format's version: the shape is what `encode` wrote.
      const stored = JSON.parse(plain.toString()) as StoredIdentity
      if (!isOurs(stored.v)) return undefined
      return {
        id: ticket.id,
        subject: stored.s,
        issuer: stored.i,
        ...(stored.v !== undefined && { provider: stored.v }),
        providerSessionId: stored.p,
        claims: stored.c,
        createdAt: stored.b,
        expiresAt: Math.min(stored.x, stored.b + maxAgeMs),
        tokenExpiresAt: stored.t,
        refreshAt: stored.f,
        refreshable: stored.r === 1,
        ...(stored.l !== undefined && { lostAnswers: stored.l }),
        ...(stored.a !== undefined && { issuedAt: stored.a }),
        ...(stored.z !== undefined && { after: stored.z }),
        ...(stored.n !== undefined && { network: stored.n }),
        ...(stored.w !== undefined && { browser: stored.w }),
        ...(stored.q !== undefined && { acr: stored.q }),
        ...(stored.u !== undefined && { authenticatedAt: stored.u }),
        ...(stored.h === 1 && { isHalfKnown: true }),
        generation: head.generation,
      }
    },

    decodeTokens(value, ticket) {
      const head = readHead(value)
      if (head === undefined || value.length < head.tokensAt) return undefined
      const plain = sealer.open(value.subarray(head.tokensAt), context(ticket, head, 'tokens'), ticket.secret)
      if (plain === undefined) return undefined
      const stored = JSON.parse(plain.toString()) as StoredTokens
      return {
        accessToken: stored.a,
        idToken: stored.i,
        refreshToken: stored.r,
        ...(stored.k !== undefined && { proofKey: stored.k }),
      }
    },
  }
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

/** What both sealed parts name. */
interface Named {
  readonly version: 1 | 2
  readonly generation: number
}

/** Undefined for anything but the beginning of a session in this format. */
function readHead(value: Buffer): (Named & { readonly tokensAt: number }) | undefined {
  const [version] = value
  if (value.length < headBytes || (version !== 1 && version !== 2)) return undefined
  return { version, generation: value.readUInt32BE(1), tokensAt: headBytes + value.readUIntBE(5, 3) }
}

/** Whether it is a session of this format, as far as can be seen without its secret. */
export function isWellFormed(value: Buffer): boolean {
  const head = readHead(value)
  return head !== undefined && value.length >= head.tokensAt
}

/** Whether the shorter is how the longer begins: then both are the same state of the same session. */
export function startsAlike(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return length > headBytes && a.compare(b, 0, length, 0, length) === 0
}

/** Undefined for what is not a session of this format: damaged is not older. */
export const generationOf = (value: Buffer): number | undefined => readHead(value)?.generation

/** How the stored value of another generation begins: of the state that `value` is to follow. */
export function headOf(value: Buffer, generation: number): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(value[0] ?? 0, 0)
  head.writeUInt32BE(generation, 1)
  return head
}
