// What lies between a replica and Redis: the state of its two roads, and how long things take.
import type { Chance } from '../chance.ts'
import type { Server, Servers } from './servers.ts'

/** A replica's roads to Redis: they outlive its processes. */
export interface Roads {
  /** `blackhole`: nothing arrives, nothing is refused; what was sent arrives late, if the connection lasts. */
  data: 'ok' | 'refused' | 'blackhole'
  /** `deaf`: subscribed, as it seems, and nothing is heard. */
  notes: 'ok' | 'down' | 'blackhole' | 'deaf'
  /** The server that the address leads to; undefined: the primary. */
  pinned: Server | undefined
  readonly healed: Set<() => void>
}

export interface Network {
  readonly servers: Servers
  readonly chance: Chance
  /** Everything takes 300 ms and more. */
  isSlow: boolean
  /** One way (ms); 0: in the same house. */
  far: number
  /** One way (ms). */
  latency(): number
}

export const newRoads = (): Roads => ({ data: 'ok', notes: 'ok', pinned: undefined, healed: new Set() })

export const serverFor = (network: Network, roads: Roads): Server => roads.pinned ?? network.servers.primary

export function createNetwork(servers: Servers, chance: Chance): Network {
  const network: Network = {
    servers,
    chance,
    isSlow: false,
    far: 0,
    latency() {
      if (network.isSlow) return 300 + chance.between(0, 50)
      if (network.far > 0) return network.far + chance.between(0, 5)
      return chance.hits(0.03) ? chance.between(10, 80) : chance.between(1, 3)
    },
  }
  return network
}
