// What breaks.
import type { Judge } from './judge.ts'
import type { Processes } from './process.ts'
import { names } from './redis/link.ts'
import type { Roads } from './redis/network.ts'
import type { Server } from './redis/servers.ts'
import type { Replica, World } from './world.ts'

export type RestartKind = 'data' | 'empty' | 'snapshot'
export type OldPrimary = 'dead' | 'demoted' | 'split'

export interface Faults {
  setData(replica: Replica, state: Roads['data']): void
  setNotes(replica: Replica, state: Roads['notes']): void
  /** For so long (ms) the two cannot reach each other directly. */
  cutPeers(one: Replica, other: Replica, ms: number): void
  killRedis(): void
  restartRedis(kind: RestartKind): void
  failover(lagMs: number, old: OldPrimary, pinnedMs: number): void
  /** Something of another type lies where the log was; and is taken away, with all that was there. */
  spoilLog(): void
  removeLog(): void
  /** By name, with a replica it concerns and how long it lasts (ms). */
  readonly byName: Readonly<Record<string, (replica: Replica, ms: number) => void>>
  /** All is well again, whatever it was. */
  mendAll(): void
}

export function createFaults(world: World, judge: Judge, processes: Processes): Faults {
  const { events, story, plan, network, servers, replicas, visitors, settings } = world
  const after = (ms: number, task: () => void) => events.at(events.now + ms, task)

  // --- roads ----------------------------------------------------------------------------------------------------------

  function healed({ healed: tasks }: Roads): void {
    const due = [...tasks]
    tasks.clear()
    for (const task of due) task()
  }

  function setData(replica: Replica, state: Roads['data']): void {
    const { roads } = replica
    roads.data = state
    if (state === 'refused') after(2, () => roads.data === 'refused' && replica.link?.cutData())
    if (state === 'ok') healed(roads)
    judge.contacts()
  }

  function setNotes(replica: Replica, state: Roads['notes']): void {
    const { roads } = replica
    roads.notes = state
    if (state === 'down') after(2, () => roads.notes === 'down' && replica.link?.cutNotes())
    if (state === 'ok') healed(roads)
  }

  function both(replica: Replica, isClosed: boolean, ms: number): void {
    story.say(`r${replica.index} is cut off from Redis for ${ms} (${isClosed ? 'refused' : 'black hole'})`)
    setData(replica, isClosed ? 'refused' : 'blackhole')
    setNotes(replica, isClosed ? 'down' : plan.pick(['deaf', 'blackhole']))
    after(ms, () => {
      setData(replica, 'ok')
      setNotes(replica, 'ok')
    })
  }

  function cutPeers(one: Replica, other: Replica, ms: number): void {
    story.say(`r${one.index} and r${other.index} cannot reach each other for ${ms}`)
    world.peerRoads?.cut(one.index, other.index, true)
    judge.contacts()
    after(ms, () => {
      world.peerRoads?.cut(one.index, other.index, false)
      judge.contacts()
    })
  }

  // --- servers --------------------------------------------------------------------------------------------------------

  /** Whoever is connected there notices at once. */
  function cutFrom(server: Server): void {
    for (const { link } of replicas) {
      if (link?.ends().data === server) after(plan.between(1, 4), () => link.ends().data === server && link.cutData())
      if (link?.ends().notes === server) after(plan.between(1, 4), () => link.cutNotes())
    }
  }

  function gone(server: Server): void {
    server.isUp = false
    server.incarnation++
    servers.freeze(server, false)
    for (const subscriber of servers.subscribers)
      if (subscriber.server === server) servers.subscribers.delete(subscriber)
    cutFrom(server)
    judge.contacts()
  }

  function killRedis(): void {
    if (!servers.primary.isUp) return
    story.say('Redis is killed')
    // Nobody can vouch for copies: beats were refused, went to the server before, or were not made while a process stood still.
    const isDivided =
      servers.primary.role !== 'primary' ||
      replicas.some((replica) => judge.isOnOtherServer(replica) || replica.loop?.isPaused === true)
    if (isDivided) world.wasDivided = true
    gone(servers.primary)
  }

  function restartRedis(kind: RestartKind): void {
    const { primary } = servers
    if (primary.isUp) return
    if (kind === 'empty') primary.keys = new Map()
    if (kind === 'empty' || (kind === 'snapshot' && servers.loadSnapshot(primary, plan))) world.hasLostData = true
    primary.isUp = true
    primary.role = 'primary'
    servers.resync()
    story.say(`Redis is back (${kind})`)
    judge.dataChanged()
    judge.contacts()
  }

  function failover(lagMs: number, oldPrimary: OldPrimary, pinnedMs: number): void {
    const old = servers.primary
    if (!servers.isReplicating || !old.isUp || old.isFrozen) return
    const { lost } = servers.promote(lagMs)
    if (lost.some(({ name }) => !name.startsWith(names.members) && !name.startsWith(names.head))) {
      world.hasLostWrites = true
    }
    servers.primary.isFull = old.isFull
    story.say(
      `failover to server ${servers.primary.index}, losing the last ${lagMs} ms; the old primary is ${oldPrimary}`,
    )
    if (oldPrimary === 'dead') gone(old)
    else if (oldPrimary === 'demoted') {
      old.role = 'stale'
      for (const { link } of replicas) if (plan.hits(0.5)) after(plan.between(1, 300), () => link?.cutData())
    } else {
      split(old, pinnedMs)
    }
    judge.dataChanged()
    judge.contacts()
    after(Math.max(3_000, pinnedMs + 500), () => {
      if (servers.primary === old) return
      for (const { roads } of replicas) roads.pinned = undefined
      servers.resync()
      judge.contacts()
    })
  }

  /** Some replicas go on with the old primary, which does not know that it is one no more. */
  function split(old: Server, ms: number): void {
    for (const replica of replicas) {
      const { roads, link } = replica
      if (plan.hits(0.5)) {
        roads.pinned = old
        continue
      }
      after(plan.between(1, 50), () => roads.pinned === undefined && link?.cutData())
      after(plan.between(1, 50), () => roads.pinned === undefined && link?.cutNotes())
    }
    after(ms, () => {
      for (const replica of replicas) {
        if (replica.roads.pinned !== undefined) replica.unpinnedAt = events.now
        replica.roads.pinned = undefined
      }
      gone(old)
    })
  }

  function fill(ms: number): void {
    story.say(`Redis is full for ${ms}`)
    world.hasBeenFull = true
    for (const server of servers.both) server.isFull = true
    after(ms, () => {
      for (const server of servers.both) server.isFull = false
      story.say('Redis has room again')
    })
  }

  function freeze(ms: number): void {
    const { primary } = servers
    if (!primary.isUp || primary.isFrozen) return
    story.say(`Redis is silent for ${ms}`)
    servers.freeze(primary, true)
    judge.contacts()
    after(ms, () => {
      if (!primary.isFrozen) return
      servers.freeze(primary, false)
      story.say('Redis speaks again')
      judge.contacts()
    })
  }

  function readOnly(ms: number): void {
    const { primary } = servers
    if (!primary.isUp || primary.role !== 'primary') return
    story.say(`Redis is read-only for ${ms}`)
    primary.role = 'stale'
    judge.contacts()
    after(ms, () => {
      if (primary === servers.primary) primary.role = 'primary'
      judge.contacts()
    })
  }

  function flush(): void {
    if (!servers.primary.isUp) return
    story.say('FLUSHALL')
    world.isFlushed = true
    world.hasLostData = true
    servers.tamper(servers.primary, (t) => {
      for (const name of servers.primary.keys.keys()) t.del(name)
    })
    judge.dataChanged()
  }

  function evict(): void {
    if (!servers.primary.isUp) return
    const gone = plan.pick([[names.log, names.head], [names.log], [names.head], [names.members]])
    story.say(`evicted: ${gone.join(' ')}`)
    servers.tamper(servers.primary, (t) => {
      for (const name of gone) t.del(name)
    })
    judge.dataChanged()
  }

  function wrongType(): void {
    const there = visitors.filter(({ id }) => id !== '' && servers.primary.keys.has(names.session(id)))
    if (there.length === 0 || !servers.primary.isUp) return
    const visitor = plan.pick(there)
    const name = plan.pick([
      names.session(visitor.id),
      names.session(visitor.id),
      names.mark(visitor.id),
      names.log,
      names.head,
    ])
    story.say(
      `something else lies at ${name.includes(visitor.id) ? `${name.split(':')[1]} of s${visitor.number}` : name}`,
    )
    // A mark that cannot be read withdraws everything: nobody can say what it was.
    if (name.includes(visitor.id)) visitor.isDamaged = true
    servers.tamper(servers.primary, (t) => {
      t.del(name)
      if (plan.hits(0.5)) t.set(name, Buffer.from('damaged'), 100_000)
      else t.place(name, { type: 'list' })
    })
    judge.dataChanged()
  }

  /** No withdrawal can be recorded. */
  function spoilLog(): void {
    if (!servers.primary.isUp) return
    story.say('something else lies where the log was')
    servers.tamper(servers.primary, (t) => {
      t.del(names.log)
      t.place(names.log, { type: 'list' })
    })
    judge.dataChanged()
  }

  /** Somebody noticed. */
  function removeLog(): void {
    if (!servers.primary.isUp) return
    story.say('the log is removed')
    servers.tamper(servers.primary, (t) => {
      t.del(names.log)
      t.del(names.head)
    })
    judge.dataChanged()
  }

  const byName: Faults['byName'] = {
    data(replica, ms) {
      const state = plan.pick(['refused', 'blackhole'] as const)
      story.say(`r${replica.index} data road ${state} for ${ms}`)
      setData(replica, state)
      after(ms, () => setData(replica, 'ok'))
    },
    notes(replica, ms) {
      const state = plan.pick(['down', 'deaf', 'deaf', 'blackhole'] as const)
      story.say(`r${replica.index} road of notes ${state} for ${ms}`)
      setNotes(replica, state)
      after(ms, () => setNotes(replica, 'ok'))
    },
    cutOff: (replica, ms) => both(replica, plan.hits(0.5), ms),
    outage(_replica, ms) {
      const kind = plan.pick(['data', 'data', 'empty', 'empty', 'snapshot'] as const)
      killRedis()
      after(ms, () => restartRedis(kind))
    },
    failover: (_replica, ms) =>
      failover(plan.between(0, 600), plan.pick(['dead', 'demoted', 'split'] as const), Math.min(ms, 3_000)),
    full: (_replica, ms) => fill(ms),
    slow(_replica, ms) {
      story.say(`Redis is slow for ${ms}`)
      network.isSlow = true
      judge.contacts()
      after(ms, () => {
        network.isSlow = false
        judge.contacts()
      })
    },
    silent: (_replica, ms) => freeze(ms),
    readOnly: (_replica, ms) => readOnly(ms),
    flush,
    evict,
    wrongType,
    stop: (replica, ms) => processes.end(replica, 'stop', ms),
    kill: (replica, ms) => processes.end(replica, 'kill', ms),
    stall: (replica, ms) => processes.stall(replica, Math.min(ms, plan.hits(0.5) ? 600 : 4_000)),
    peer(replica, ms) {
      if (settings.replicas < 2) return
      cutPeers(replica, plan.pick(replicas.filter((one) => one !== replica)), ms)
    },
  }

  return {
    setData,
    setNotes,
    cutPeers,
    killRedis,
    restartRedis,
    failover,
    spoilLog,
    removeLog,
    byName,
    mendAll() {
      story.say('--- all is mended')
      network.isSlow = false
      network.far = 0
      for (const server of servers.both) {
        server.isFull = false
        if (server.isFrozen) servers.freeze(server, false)
      }
      servers.primary.role = 'primary'
      for (const replica of replicas) {
        replica.roads.pinned = undefined
        setData(replica, 'ok')
        setNotes(replica, 'ok')
        for (const other of replicas) if (other !== replica) world.peerRoads?.cut(replica.index, other.index, false)
        if (replica.loop === undefined && !replica.isStopping) processes.start(replica)
      }
      if (!servers.primary.isUp) restartRedis('data')
      judge.contacts()
    },
  }
}
