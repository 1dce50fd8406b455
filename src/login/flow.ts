// One login attempt. What it must remember between the redirect and the callback travels in a sealed cookie of its own, so
// that parallel tabs do not overwrite each other and an anonymous visitor costs the server nothing.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Sealer } from '../sealing.ts'
import { minutes, type Clock } from '../time.ts'

export interface Flow {
  /** Names the flow's cookie; begins with its time, so that the oldest can be told without opening any. */
  readonly id: string
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  readonly redirectURI: string
  /** Absolute and already checked: where the person wanted to go. */
  readonly returnTo: string
  /** ms since the epoch. */
  readonly startedAt: number
  /** The person asked for a login although one may exist (another account, step-up): a session does not cut it short. */
  readonly fresh: boolean
}

/** A person may have to find a phone for a second factor; a stolen flow cookie should not live much longer. */
export const flowLifetimeMs = minutes(15)
export const maxFlowsPerBrowser = 5

const idShape = /^[0-9a-z]{9}[\w-]{8}$/
const stateShape = /^([0-9a-z]{9}[\w-]{8})\.[\w-]{43}$/

export interface Flows {
  start(request: { redirectURI: string; returnTo: string; fresh: boolean }): Flow
  /** The flow cookie's value. */
  seal(flow: Flow): string
  /** The flow whose cookie value this is; undefined for a damaged, foreign or expired one. */
  open(id: string, value: string): Flow | undefined
}

export function createFlows(deps: { sealer: Sealer; clock: Clock; randomBytes: (size: number) => Buffer }): Flows {
  const { sealer, clock, randomBytes } = deps
  const secret = () => randomBytes(32).toString('base64url')
  return {
    start(request) {
      const startedAt = clock()
      const id = startedAt.toString(36).padStart(9, '0') + randomBytes(6).toString('base64url')
      return { id, state: `${id}.${secret()}`, nonce: secret(), codeVerifier: secret(), startedAt, ...request }
    },
    seal: (flow) => sealer.seal(Buffer.from(JSON.stringify(flow)), `flow:${flow.id}`).toString('base64url'),
    open(id, value) {
      const plain = sealer.open(Buffer.from(value, 'base64url'), `flow:${id}`)
      if (plain === undefined) return undefined
      // Sealed by us for this id: the shape is what `seal` wrote.
      const flow = JSON.parse(plain.toString()) as Flow
      return clock() - flow.startedAt < flowLifetimeMs ? flow : undefined
    },
  }
}

/** The flow that a `state` belongs to, without trusting it. */
export const flowIdOfState = (state: string): string | undefined => stateShape.exec(state)?.[1]

export const isFlowId = (id: string): boolean => idShape.test(id)

/** In constant time, over digests. */
export function sameState(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
