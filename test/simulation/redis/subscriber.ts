// The driver's part for notes: a connection that lives one life, for src/store/redis/subscription.ts.
import { EventEmitter } from 'node:events'
import type { Redis } from '../../../src/store/redis/connection.ts'
import type { Events, Loop } from '../events.ts'
import { refused } from './client.ts'
import { serverFor, type Network, type Roads } from './network.ts'
import type { Server, Subscriber } from './servers.ts'

export interface Subscribers {
  open(): Redis
  /** The subscription that is live now is cut from the other side. */
  cut(): void
  readonly server: Server | undefined
}

export function createSubscribers(deps: {
  events: Events
  loop: Loop
  network: Network
  roads: Roads
  onNoteLost: () => void
}): Subscribers {
  const { events, loop, network, roads } = deps
  const { servers, chance } = network
  let current: { readonly server: Server; end(): void } | undefined

  function open(): Redis {
    const emitter = new EventEmitter()
    let server: Server | undefined
    let incarnation = 0
    let hasEnded = false
    let subscriber: Subscriber | undefined
    let deliveredAt = 0
    let held: (() => void)[] = []
    /** Half-open: nothing comes of it any more, whatever the road is like. */
    let isDeaf = false
    const onSocket = (time: number, task: () => void) =>
      events.on(loop, 'socket', time, () => {
        if (!hasEnded) task()
      })

    function end(error: Error): void {
      if (hasEnded) return
      hasEnded = true
      if (subscriber !== undefined) servers.subscribers.delete(subscriber)
      emitter.emit('error', error)
      emitter.emit('end')
    }

    const isReachable = (of: Server) => of.isUp && of.incarnation === incarnation && roads.notes !== 'down'

    function hear(channel: string, text: string): void {
      deliveredAt = Math.max(
        deliveredAt,
        events.now + (chance.hits(0.01) ? chance.between(100, 1_200) : network.latency()),
      )
      const arrive = () => onSocket(events.now, () => emitter.emit('message', channel, text))
      events.at(deliveredAt, () => {
        if (roads.notes === 'deaf') isDeaf = true
        if (hasEnded || isDeaf || roads.notes === 'down') return
        if (roads.notes === 'ok') {
          arrive()
          return
        }
        held.push(arrive)
        if (held.length > 1) return
        roads.healed.add(() => {
          const late = held
          held = []
          for (const task of late) task()
        })
      })
    }

    function subscribe(...channels: string[]): Promise<void> {
      return new Promise((resolve) => {
        events.at(events.now + network.latency(), () => {
          const to = server
          if (to === undefined || hasEnded || !isReachable(to)) return
          servers.whenAwake(to, () => {
            if (hasEnded) return
            subscriber = {
              server: to,
              deliver(channel, text) {
                if (loop.hasEnded) servers.subscribers.delete(this)
                else if (!channels.includes(channel)) return
                // Nothing tells of it but what a beat brings, and in the end the age of a copy.
                else if (chance.hits(0.003)) deps.onNoteLost()
                else hear(channel, text)
              },
            }
            servers.subscribers.add(subscriber)
            onSocket(events.now + network.latency(), resolve)
          })
        })
      })
    }

    const client = {
      on: emitter.on.bind(emitter),
      once: emitter.once.bind(emitter),
      subscribe,
      disconnect() {
        hasEnded = true
        if (subscriber !== undefined) servers.subscribers.delete(subscriber)
      },
      connect(): Promise<void> {
        onSocket(events.now + network.latency() + 1, () => {
          const to = serverFor(network, roads)
          if (roads.notes === 'blackhole') {
            events.on(loop, 'timer', events.now + 5_000, () => end(new Error('connect ETIMEDOUT')))
            return
          }
          if (roads.notes === 'down' || !to.isUp) {
            end(refused())
            return
          }
          server = to
          incarnation = to.incarnation
          current = { server: to, end: () => onSocket(events.now, () => end(refused())) }
          emitter.emit('ready')
        })
        return Promise.resolve()
      },
    }
    // What subscription.ts uses of the driver's client.
    return client as unknown as Redis
  }

  return {
    open,
    cut: () => current?.end(),
    get server() {
      return current?.server
    },
  }
}
