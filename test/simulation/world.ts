// What there is in one run, for those who act in it and for those who judge it.
import type { Cache } from '../../src/cache/cache.ts'
import type { Spooled } from '../../src/cache/spool.ts'
import type { Sessions } from '../../src/session/sessions.ts'
import type { Chance } from './chance.ts'
import type { Events, Loop } from './events.ts'
import type { PeerHost, PeerRoads } from './peers.ts'
import type { Account, SimulatedProvider } from './provider.ts'
import type { SimulatedLink } from './redis/link.ts'
import type { Network, Roads } from './redis/network.ts'
import type { Servers } from './redis/servers.ts'
import type { Story } from './story.ts'

export interface Settings {
  readonly replicas: number
  readonly mode: 'redis' | 'hybrid'
  readonly tokenLifeMs: number
  readonly refreshGraceMs: number
  readonly maxStaleMs: number
  /** Undefined: no passes. */
  readonly passMaxAgeMs: number | undefined
  readonly peers: 'off' | 'dns' | 'static'
  readonly hasSpool: boolean
  /** No wall clock is further from the true time than this (ms). */
  readonly skewMs: number
}

/** From when to when (ms of the run); -1: it goes on. */
export type Interval = [from: number, to: number]

/** A place where a replica runs: one process after the other. */
export interface Replica extends PeerHost {
  readonly index: number
  /** Its wall clock against the true time (ms). */
  readonly skewMs: number
  readonly roads: Roads
  /** Its disk. */
  readonly file: Map<string, Spooled>
  /** Marks that this process has met: what is below does not count, as it knows. */
  readonly met: Map<string, number>
  loop: Loop | undefined
  link: SimulatedLink | undefined
  cache: Cache | undefined
  sessions: Sessions | undefined
  bornAt: number
  isStopping: boolean
  /** Requests under way. */
  inFlight: number
  /** When it could not be told that it spoke to a server of the past. */
  unpinnedAt: number
  /** When its data connection was last lost. */
  droppedAt: number
  /** Since when Redis has answered everybody quickly, this replica included; undefined: it does not. */
  reachSince: number | undefined
  /** When a server last answered it, whatever it was asked. */
  heardAt: number
  /** When a note to it last vanished, with nothing else to tell of it. */
  noteLostAt: number
  /** When one of its beats' tokens last came back. */
  tokenAt: number
  /** When its near copies could last answer alone. */
  trustedAt: number
  /** When it was last asked while it waited for others to write back what Redis lost. */
  reseedingAt: number
  readonly contact: Interval[]
}

/** A person with a session, and whoever copied their cookies. */
export interface Visitor {
  readonly number: number
  readonly account: Account
  readonly begunAt: number
  /** '' until logged in. */
  ticket: string
  id: string
  readonly passes: { readonly text: string | undefined; readonly generation: number; readonly at: number }[]
  readonly withdrawals: Withdrawn[]
  /** Wants to leave, whether or not anybody has heard it. */
  isLeaving: boolean
  /** A state without a right that it had is on its way. */
  isSuperseding: boolean
  /** Somebody put something else under its key. */
  isDamaged: boolean
  /** When the primary first had it. */
  storedAt: number | undefined
  /** When the primary first had each generation. */
  readonly statesStored: Map<number, number>
  /** What the plan has in store for the moment after its next withdrawal. */
  onWithdrawn: (() => void) | undefined
  /** The rights of each generation that was seen. */
  readonly rights: Map<number, number>
}

export interface Withdrawn {
  readonly visitor: Visitor
  /** The session's id, or that of a sweep. */
  readonly recordedAs: string
  readonly floor: number
  /** When it was answered. */
  readonly at: number
  readonly by: Replica
  readonly loop: Loop
  readonly kind: 'logout' | 'loss of a right'
  /** As it was answered: somebody else has it. */
  readonly isKept: boolean
  /** When the primary's log had it. */
  readonly recorded: Interval[]
  isRecorded: boolean
  unrecordedSince: number
  /** Nobody has it any more, since then. */
  lostAt: number | undefined
  /** A server came back with the state that it withdrew. */
  isBackByItself: boolean
}

export interface World {
  readonly settings: Settings
  readonly events: Events
  readonly story: Story
  /** What people do and what breaks; the code under test and the network draw from others. */
  readonly plan: Chance
  /** In which way people leave. */
  readonly manner: Chance
  readonly network: Network
  readonly servers: Servers
  readonly replicas: readonly Replica[]
  readonly visitors: Visitor[]
  readonly provider: SimulatedProvider
  readonly accounts: Map<string, Account>
  readonly peerRoads: PeerRoads | undefined
  /** Redis came back without what it had, or was emptied. */
  hasLostData: boolean
  /** A failover took acknowledged writes. */
  hasLostWrites: boolean
  /** When processes ended. */
  readonly endings: number[]
  isFlushed: boolean
  /** Redis was lost while some replicas still spoke to the primary before, or stood still. */
  wasDivided: boolean
  /** Redis had no room for what was written in this run. */
  hasBeenFull: boolean
  /** When Redis last lost anything. */
  lastLossAt: number
}
