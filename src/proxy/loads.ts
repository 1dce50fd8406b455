// How much each upstream has to do, where it is given a bound: who comes when it is reached is told at once, rather than kept waiting.
import type { EventEmitter } from 'node:events'
import type { UpstreamConfig } from '../config/config.ts'

export interface Loads {
  /** False: as many as it may have are under way. `until`: its `close` ends what was taken. */
  take(upstream: UpstreamConfig, until: EventEmitter): boolean
}

export function createLoads(): Loads {
  const underWay = new Map<UpstreamConfig, number>()
  return {
    take(upstream, until) {
      const { maxConnections } = upstream
      if (maxConnections === undefined) return true
      const count = underWay.get(upstream) ?? 0
      if (count >= maxConnections) return false
      underWay.set(upstream, count + 1)
      until.once('close', () => underWay.set(upstream, (underWay.get(upstream) ?? 1) - 1))
      return true
    },
  }
}
