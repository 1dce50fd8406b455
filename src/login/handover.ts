// A session for a host of another domain. The login host is to that host what a provider is to us: the browser begins a flow there, is sent to
// the login host with a sealed `state`, and comes back with a `code` that names the session, for this host and this flow alone. This room
// owns what both say and when they count; it leaves addresses and cookies to http/, sessions to session/.
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { ReplayDetection } from '../cache/replay-detection.ts'
import { LoginRejected } from '../errors.ts'
import type { StepUp } from '../oidc/provider.ts'
import type { Sealer } from '../sealing.ts'
import { seconds, type Clock } from '../time.ts'
import { beginFlow, flowLifetimeMs, isFlowHeld } from './flow.ts'
import type { FlowCookies } from './slots.ts'

export interface HandoverWish {
  /** `scheme://host[:port]` of the host that the session is for. */
  readonly origin: string
  /** Absolute and already checked there: where the person wanted to go. */
  readonly returnTo: string
  /** The person asked for a login although one may exist. */
  readonly prompt?: 'select_account' | 'login' | undefined
  /** The name of the provider that was chosen. */
  readonly provider?: string | undefined
  /** See Flow. */
  readonly stepUp?: StepUp | undefined
}

export interface Handover extends HandoverWish {
  /** See Flow, as the next two. */
  readonly id: string
  readonly startedAt: number
  readonly binding: string
}

export interface Handovers {
  /** A return address that is too long for a state loses its query, and where that is not enough, its path. */
  start(wish: HandoverWish): { readonly state: string; readonly cookie: string }
  /** What a state tells of, whoever presents it and however old it is; undefined for what was not made here. */
  read(state: string): Handover | undefined
  /** It was begun less than 15 minutes ago. */
  isYoung(handover: Handover): boolean
  /** What `redeem` takes once, for 60 seconds, for this host and this flow. */
  codeFor(handover: Handover, ticket: string): string
  /** The slots of the cookies that prove that this browser began it. */
  slotsOf(handover: Handover, flows: FlowCookies): readonly number[]
  /** The ticket that a code brings. Throws LoginRejected, or StoreUnavailable. The caller has checked whose browser it is. */
  redeem(handover: Handover, code: string): Promise<string>
}

/** From one redirect to the next. */
const codeLifetimeMs = seconds(60)

/** Characters. It travels within the `state` of a login (see login/flow.ts), which has room for it and not for much more. */
const maxStateLength = 2_000
const maxCodeLength = 2_000

interface Code {
  readonly origin: string
  readonly binding: string
  readonly ticket: string
  /** ms since the epoch. */
  readonly issuedAt: number
}

export function createHandovers(deps: {
  sealer: Sealer
  used: ReplayDetection
  clock: Clock
  randomBytes: (size: number) => Buffer
}): Handovers {
  const { sealer, used, clock, randomBytes } = deps

  const sealedState = (handover: Handover) =>
    sealer.seal(deflateRawSync(JSON.stringify(handover)), 'state').toString('base64url')

  return {
    start(wish) {
      const { cookie, ...begun } = beginFlow(clock(), randomBytes)
      for (const returnTo of [wish.returnTo, wish.returnTo.replace(/[?#].*/, '')]) {
        const state = sealedState({ ...wish, ...begun, returnTo })
        if (state.length <= maxStateLength) return { state, cookie }
      }
      return { state: sealedState({ ...wish, ...begun, returnTo: `${new URL(wish.returnTo).origin}/` }), cookie }
    },

    read(state) {
      if (state.length > maxStateLength || !/^[\w-]+$/.test(state)) return undefined
      const plain = sealer.open(Buffer.from(state, 'base64url'), 'state')
      // Sealed by us for this: the shape is what `start` wrote.
      return plain && (JSON.parse(inflateRawSync(plain).toString()) as Handover)
    },

    isYoung: ({ startedAt }) => clock() - startedAt < flowLifetimeMs,

    codeFor({ id, origin, binding }, ticket) {
      const code: Code = { origin, binding, ticket, issuedAt: clock() }
      return sealer.seal(Buffer.from(JSON.stringify(code)), `code ${id}`).toString('base64url')
    },

    slotsOf: (handover, flows) =>
      flows.filter(([, value]) => isFlowHeld(handover, value, clock())).map(([slot]) => slot),

    async redeem(handover, code) {
      const { id, origin, binding } = handover
      const plain =
        code.length <= maxCodeLength && /^[\w-]+$/.test(code)
          ? sealer.open(Buffer.from(code, 'base64url'), `code ${id}`)
          : undefined
      // Sealed by us for this: the shape is what `codeFor` wrote.
      const told = plain && (JSON.parse(plain.toString()) as Code)
      const isGood =
        told !== undefined &&
        told.origin === origin &&
        told.binding === binding &&
        Math.abs(clock() - told.issuedAt) <= codeLifetimeMs
      if (!isGood)
        throw new LoginRejected('handover_code', 'the code is none of the login host for this flow, or too old')
      // The flow, not the code: a second code for it, made before the first came here, is worth nothing either.
      if (!(await used.first('handover', id, flowLifetimeMs))) {
        throw new LoginRejected('state_reused', 'this session was handed over before')
      }
      return told.ticket
    },
  }
}
