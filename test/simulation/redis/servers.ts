// Two Redis servers: a primary, and a replica that gets its writes a little later. What can happen to them: killed, restarted with
// what they had, with an old snapshot or empty, failed over with the last writes lost, full, frozen.
import type { Chance } from '../chance.ts'
import type { Events } from '../events.ts'
import { commands, type CommandName } from './commands.ts'
import { Transaction, type Effect, type Keyspace } from './keyspace.ts'

export interface Server {
  readonly index: number
  isUp: boolean
  /** `stale`: it was the primary, and has not yet copied the new one. */
  role: 'primary' | 'replica' | 'stale'
  isFull: boolean
  /** Connections stay, nothing answers; what was asked meanwhile is done afterwards. */
  isFrozen: boolean
  /** Its clock against the true time (ms). */
  readonly skew: number
  /** Another one with each restart: connections of before are gone. */
  incarnation: number
  keys: Keyspace
}

/** Whoever is subscribed. */
export interface Subscriber {
  readonly server: Server
  deliver(channel: string, text: string): void
}

export interface Servers {
  readonly both: readonly [Server, Server]
  primary: Server
  readonly other: Server
  readonly subscribers: Set<Subscriber>
  isReplicating: boolean
  time(server: Server): number
  /** Carries it out, now, or once the server is not frozen any more. Throws ReplyError. */
  run(server: Server, name: CommandName, given: readonly (string | number | Buffer)[], by: number): unknown
  /** What nobody of ours does: an operator, eviction, another program. */
  tamper(server: Server, work: (t: Transaction) => void): void
  /** Runs once the server is not frozen. */
  whenAwake(server: Server, task: () => void): void
  freeze(server: Server, isFrozen: boolean): void
  takeSnapshot(): void
  /** False: there is no snapshot. */
  loadSnapshot(server: Server, chance: Chance): boolean
  /** The replica becomes the primary, without what was written in the last `lagMs`. */
  promote(lagMs: number): { readonly lost: readonly Effect[] }
  /** The other server copies the primary and follows it. */
  resync(): void
}

/** The true time at the beginning of a run: ms since the epoch. */
export const epoch = 1_800_000_000_000

export function createServers(deps: {
  events: Events
  skews: readonly [number, number]
  onEffects: (server: Server, effects: readonly Effect[], by: number, command: string) => void
}): Servers {
  const { events, onEffects } = deps
  const make = (index: number, role: Server['role'], skew: number): Server => ({
    index,
    isUp: true,
    role,
    isFull: false,
    isFrozen: false,
    skew,
    incarnation: 0,
    keys: new Map(),
  })
  const both = [make(0, 'primary', deps.skews[0]), make(1, 'replica', deps.skews[1])] as const
  const subscribers = new Set<Subscriber>()
  const snapshots: Keyspace[] = []
  let waiting: { server: Server; incarnation: number; task: () => void }[] = []
  let queue: { at: number; effects: readonly Effect[] }[] = []

  const time = (server: Server) => epoch + events.now + server.skew

  function apply(keys: Keyspace, effects: readonly Effect[]): void {
    for (const { name, entry } of effects) {
      if (entry === undefined) keys.delete(name)
      else keys.set(name, entry)
    }
  }

  function drain(until: number): void {
    let done = 0
    for (const { at, effects } of queue) {
      if (at > until) break
      apply(servers.other.keys, effects)
      done++
    }
    queue = queue.slice(done)
  }

  function commit(server: Server, t: Transaction, by: number, command: string): void {
    if (t.effects.length > 0) {
      if (server === servers.primary && servers.isReplicating) {
        queue.push({ at: events.now, effects: t.effects })
        if (queue.length > 200) drain(events.now - 1_000)
      }
      onEffects(server, t.effects, by, command)
    }
    for (const { channel, text } of t.published) {
      for (const subscriber of subscribers) if (subscriber.server === server) subscriber.deliver(channel, text)
    }
  }

  const servers: Servers = {
    both,
    primary: both[0],
    get other() {
      return servers.primary === both[0] ? both[1] : both[0]
    },
    subscribers,
    isReplicating: true,
    time,
    run(server, name, given, by) {
      const t = new Transaction(server.keys, {
        isReadOnly: server.role !== 'primary',
        isFull: server.isFull,
        time: time(server),
      })
      try {
        return commands[name](t, given)
      } finally {
        // A script that fails half-way leaves what it has done.
        commit(server, t, by, name)
      }
    },
    tamper(server, work) {
      const t = new Transaction(server.keys, { isReadOnly: false, isFull: false, time: time(server) })
      work(t)
      commit(server, t, -1, 'tamper')
    },
    whenAwake(server, task) {
      if (server.isFrozen) waiting.push({ server, incarnation: server.incarnation, task })
      else task()
    },
    freeze(server, isFrozen) {
      server.isFrozen = isFrozen
      if (isFrozen) return
      const due = waiting
      waiting = []
      for (const { server: of, incarnation, task } of due) if (of.isUp && of.incarnation === incarnation) task()
    },
    takeSnapshot: () => void snapshots.push(new Map(servers.primary.keys)),
    loadSnapshot(server, chance) {
      if (snapshots.length === 0) return false
      server.keys = new Map(chance.pick(snapshots))
      return true
    },
    promote(lagMs) {
      drain(events.now - lagMs)
      const lost = queue.flatMap(({ effects }) => effects)
      queue = []
      servers.isReplicating = false
      servers.primary = servers.other
      servers.primary.role = 'primary'
      servers.primary.isUp = true
      return { lost }
    },
    resync() {
      const { other, primary } = servers
      other.keys = new Map(primary.keys)
      other.role = 'replica'
      other.isUp = true
      queue = []
      servers.isReplicating = true
    },
  }
  return servers
}
