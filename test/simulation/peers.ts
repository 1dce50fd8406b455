// The second road: messages between replicas, which may be cut. What protects them on a real road is not simulated here.
import type { PeerMessage, PeerReply, PeerTransport } from '../../src/cache/peers.ts'
import type { Chance } from './chance.ts'
import type { Events, Loop } from './events.ts'

/** Replicas as the road sees them. */
export interface PeerHost {
  readonly index: number
  readonly loop: Loop | undefined
  answer: ((message: PeerMessage) => PeerReply) | undefined
  /** Whom it would find now. */
  known: readonly number[]
}

export interface PeerRoads {
  transport(host: PeerHost, loop: Loop): PeerTransport
  cut(a: number, b: number, isCut: boolean): void
  isCut(a: number, b: number): boolean
}

/** How old what a name resolves to may be. */
const lookUpEveryMs = 2_000

export function createPeerRoads(deps: {
  events: Events
  chance: Chance
  hosts: readonly PeerHost[]
  /** `static`: every address is configured. `dns`: a name that resolves to those that run. */
  kind: 'static' | 'dns'
  onKnown: () => void
}): PeerRoads {
  const { events, chance, hosts, kind, onKnown } = deps
  const cuts = new Set<string>()
  const name = (a: number, b: number) => (a < b ? `${a} ${b}` : `${b} ${a}`)
  const isCut = (a: number, b: number) => cuts.has(name(a, b))
  const addressOf = (index: number) => `r${index}`

  function look(host: PeerHost, loop: Loop): void {
    if (loop.hasEnded) return
    host.known = hosts.filter((other) => other.loop !== undefined).map((other) => other.index)
    onKnown()
    if (kind === 'dns') events.on(loop, 'timer', events.now + lookUpEveryMs, () => look(host, loop))
  }

  function send(from: PeerHost, loop: Loop, address: string, message: PeerMessage, timeoutMs: number) {
    return new Promise<PeerReply>((resolve, reject) => {
      const to = hosts.find((host) => addressOf(host.index) === address)
      const callOff = events.on(loop, 'timer', events.now + timeoutMs, () => reject(new Error('no answer')))
      const receiver = to?.loop
      if (to === undefined || receiver === undefined) {
        events.on(loop, 'socket', events.now + chance.between(1, 3), () => {
          callOff()
          reject(new Error('connect ECONNREFUSED'))
        })
        return
      }
      events.on(receiver, 'socket', events.now + chance.between(1, 5), () => {
        if (isCut(from.index, to.index)) return
        const reply = to.answer?.(message)
        if (reply === undefined) return
        events.on(loop, 'socket', events.now + chance.between(1, 5), () => {
          if (isCut(from.index, to.index)) return
          callOff()
          resolve(reply)
        })
      })
    })
  }

  return {
    transport: (host, loop) => ({
      addresses: () => host.known.map(addressOf),
      send: (address, message, timeoutMs) => send(host, loop, address, message, timeoutMs),
      start(answer) {
        host.answer = answer
        if (kind === 'static') host.known = hosts.map(({ index }) => index)
        else look(host, loop)
        onKnown()
        return Promise.resolve()
      },
      stop() {
        host.answer = undefined
        return Promise.resolve()
      },
    }),
    cut(a, b, on) {
      if (on) cuts.add(name(a, b))
      else cuts.delete(name(a, b))
    },
    isCut,
  }
}
