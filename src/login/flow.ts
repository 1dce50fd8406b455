// One login attempt. What it must remember between the redirect and the callback travels in `state`, sealed; the browser keeps
// only the flow's secret, in one of a few cookies of fixed names and size. So whatever a browser opens, and however much at once,
// its jar cannot grow, an anonymous visitor costs the server nothing, and where somebody wanted to go is known even after their
// cookie has gone.
import { createHash, timingSafeEqual } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { StepUp } from '../oidc/provider.ts'
import type { Sealer } from '../sealing.ts'
import { minutes, type Clock } from '../time.ts'

export interface Flow {
  /** Begins with its time, so that the oldest cookie can be told without opening anything. */
  readonly id: string
  readonly nonce: string
  readonly codeVerifier: string
  /** What its tokens are to be bound to; see Tokens. */
  readonly proofKey?: string
  readonly redirectURI: string
  /** The provider that the person is sent to (see Session). */
  readonly provider?: string
  /** Absolute and already checked: where the person wanted to go. */
  readonly returnTo: string
  /** ms since the epoch. */
  readonly startedAt: number
  /** The person asked for a login although one may exist (another account, step-up): a session does not cut it short. */
  readonly fresh: boolean
  /** The authentication that the person was sent for. Absent: any. */
  readonly stepUp?: StepUp
  /** Begun by us in place of one whose cookie had gone: when this one's is gone as well, the browser keeps none. */
  readonly again: boolean
  /** SHA-256 of the secret that the browser holds, base64url. */
  readonly binding: string
}

/** A person may have to find a phone for a second factor; a stolen flow cookie should not live much longer. */
export const flowLifetimeMs = minutes(15)

/** Cookies for logins under way, and so the number of logins that one browser can have under way. */
export const flowSlots = 5

/**
 * Characters. With what else belongs to it the address of the login stays below 4 KB, the limit of several providers (Quarkus,
 * and so Keycloak: 4,096 for the request line), and the callback's below the 8 KB of nginx.
 */
const maxStateLength = 3_200

const idLength = 17
const stateShape = /^([0-9a-z]{9}[\w-]{8})\.([\w-]+)$/
const cookieShape = /^[0-9a-z]{9}[\w-]{8}[\w-]{43}$/

/** What `flowIdOf` takes: 17 characters of id, 43 of secret. */
export const flowCookieLength = 60

export interface FlowStart {
  readonly flow: Flow
  /** For the provider, which sends it back. */
  readonly state: string
  /** The flow cookie's value. */
  readonly cookie: string
}

export interface Flows {
  /** A return address that is too long for a state loses its query, and where that is not enough, its path. */
  start(
    request: Pick<Flow, 'redirectURI' | 'provider' | 'returnTo' | 'fresh' | 'stepUp' | 'again' | 'proofKey'>,
  ): FlowStart
  /** The flow that a state tells of, whoever presents it and however old it is; undefined for what was not made here. */
  read(state: string): Flow | undefined
  /** Whether this cookie's value proves that its browser began the flow, less than 15 minutes ago. */
  isHeldBy(flow: Flow, cookie: string): boolean
}

export function createFlows(deps: { sealer: Sealer; clock: Clock; randomBytes: (size: number) => Buffer }): Flows {
  const { sealer, clock, randomBytes } = deps
  const secret = () => randomBytes(32).toString('base64url')

  function stateOf({ id, ...rest }: Flow): string {
    // Addresses shrink to two thirds. Nobody learns anything from the length: the secrets beside it are new each time.
    const plain = deflateRawSync(JSON.stringify(rest))
    return `${id}.${sealer.seal(plain, `flow2:${id}`).toString('base64url')}`
  }

  return {
    start(request) {
      const { cookie, ...begun } = beginFlow(clock(), randomBytes)
      const whole = { ...begun, nonce: secret(), codeVerifier: secret(), ...request }
      const withoutQuery = request.returnTo.replace(/[?#].*/, '')
      for (const returnTo of [request.returnTo, withoutQuery]) {
        const flow = { ...whole, returnTo }
        const state = stateOf(flow)
        if (state.length <= maxStateLength) return { flow, state, cookie }
      }
      const flow = { ...whole, returnTo: `${new URL(request.returnTo).origin}/` }
      return { flow, state: stateOf(flow), cookie }
    },

    read(state) {
      const [, id, sealed] = stateShape.exec(state) ?? []
      if (id === undefined || sealed === undefined) return undefined
      const plain = sealer.open(Buffer.from(sealed, 'base64url'), `flow2:${id}`)
      // Sealed by us for this id: the shape is what `start` wrote.
      return plain && { ...(JSON.parse(inflateRawSync(plain).toString()) as Omit<Flow, 'id'>), id }
    },

    isHeldBy: (flow, cookie) => isFlowHeld(flow, cookie, clock()),
  }
}

/** What a browser is to hold, and what the state says of that. `now`: ms since the epoch. */
export function beginFlow(
  now: number,
  randomBytes: (size: number) => Buffer,
): Pick<Flow, 'id' | 'startedAt' | 'binding'> & { readonly cookie: string } {
  const id = now.toString(36).padStart(9, '0') + randomBytes(6).toString('base64url')
  const held = randomBytes(32).toString('base64url')
  return { id, startedAt: now, binding: digest(held).toString('base64url'), cookie: id + held }
}

/** See Flows. */
export function isFlowHeld(flow: Pick<Flow, 'id' | 'startedAt' | 'binding'>, cookie: string, now: number): boolean {
  if (flowIdOf(cookie) !== flow.id || now - flow.startedAt >= flowLifetimeMs) return false
  return timingSafeEqual(digest(cookie.slice(idLength)), Buffer.from(flow.binding, 'base64url'))
}

const digest = (text: string) => createHash('sha256').update(text).digest()

/** The flow that a cookie is for, without trusting it; undefined for a value that is none of ours. */
export const flowIdOf = (cookie: string): string | undefined =>
  cookieShape.test(cookie) ? cookie.slice(0, idLength) : undefined

/** When a flow began (ms since the epoch), by its id. */
export const flowStartedAt = (id: string): number => Number.parseInt(id.slice(0, 9), 36)
