// Schedules that go for one kind of trouble; chance fills in the times.
import type { Faults } from './faults.ts'
import type { People } from './people.ts'
import type { Processes } from './process.ts'
import type { Replica, Visitor, World } from './world.ts'

export interface Actors {
  readonly world: World
  readonly faults: Faults
  readonly people: People
  readonly processes: Processes
}

export type Template = (actors: Actors, abc: readonly [Replica, Replica, Replica], visitor: Visitor) => void

const passes = ['old', 'new', 'none'] as const

export const templates: Readonly<Record<string, Template>> = {
  /** A copy at b, b cut off, logout at a; those who know it end; Redis comes back empty. */
  unproven({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan } = world
    const { now } = events
    const ends = plan.hits(0.6)
    if (ends && plan.hits(0.7)) processes.end(c, 'kill', 20_000)
    events.at(now + plan.between(50, 400), () => faults.byName['cutOff']?.(b, plan.between(3_500, 9_000)))
    const t = now + plan.between(700, 4_000)
    events.at(t, () => people.logout(a, visitor))
    if (ends) {
      const cause = plan.pick(['stop', 'kill'] as const)
      events.at(t + plan.between(100, 1_500), () => processes.end(a, cause, 20_000))
    }
    const down = t + plan.between(1_600, 4_500)
    events.at(down, () => faults.killRedis())
    const kind = plan.pick(['empty', 'empty', 'snapshot'] as const)
    events.at(down + plan.between(200, 1_500), () => faults.restartRedis(kind))
    if (plan.hits(0.3)) events.at(down, () => faults.byName['slow']?.(a, 4_000))
    for (let k = 0; k < 8; k++) {
      events.at(down + plan.between(1_000, 9_000), () => people.request(b, visitor, plan.pick(['old', 'none'])))
    }
  },

  /** A logout while Redis is away, by a replica that then ends. */
  alone({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan } = world
    faults.killRedis()
    const t = events.now + plan.between(300, 3_000)
    events.at(t, () => people.logout(a, visitor))
    if (plan.hits(0.7)) {
      const cause = plan.pick(['stop', 'kill'] as const)
      events.at(t + plan.between(5, 1_500), () => processes.end(a, cause, plan.between(200, 12_000)))
    }
    for (let k = 0; k < 8; k++) {
      events.at(t + plan.between(100, 8_000), () =>
        people.request(plan.pick([b, c]), visitor, plan.pick(['old', 'new'])),
      )
    }
    const kind = plan.pick(['data', 'data', 'snapshot'] as const)
    events.at(t + plan.between(300, 7_000), () => faults.restartRedis(kind))
  },

  /** Redis is full; logins fail; a logout. */
  full({ world, faults, people }, [a, b, c], visitor) {
    const { events, plan, visitors } = world
    const { now } = events
    faults.byName['full']?.(a, 9_000)
    for (let k = plan.between(0, 7); k > 0; k--) events.at(now + plan.between(10, 1_500), () => people.login(a))
    const t = now + plan.between(1_500, 2_500)
    events.at(t, () => people.logout(a, visitor))
    for (let k = 0; k < 10; k++) {
      events.at(t + plan.between(100, 7_000), () => people.request(plan.pick([b, c]), visitor, plan.pick(passes)))
    }
    for (let k = 0; k < 6; k++) {
      events.at(t + plan.between(100, 7_000), () => people.request(plan.pick([a, b, c]), plan.pick(visitors), 'new'))
    }
  },

  /** The last write before a failover is a logout, or the loss of a right; who could hear it does not. */
  lostLast({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan } = world
    const { now } = events
    const isLogout = plan.hits(0.6)
    for (const one of [b, c]) if (plan.hits(0.8)) faults.setNotes(one, 'deaf')
    events.at(now + (isLogout ? 1_500 : 7_000), () => {
      for (const one of [b, c]) faults.setNotes(one, 'ok')
    })
    const lagMs = plan.between(50, 600)
    const old = plan.pick(['dead', 'demoted', 'split'] as const)
    const pinnedMs = plan.between(300, 3_000)
    visitor.onWithdrawn = () =>
      events.at(events.now + plan.between(5, 350), () => faults.failover(lagMs, old, pinnedMs))
    const t = now + plan.between(100, 900)
    if (isLogout) events.at(t, () => people.logout(a, visitor))
    else {
      events.at(t, () => people.loseRight(a, visitor))
      for (let k = 1; k < 14; k++) events.at(t + k * 500, () => people.request(a, visitor, 'new', true))
    }
    if (plan.hits(0.3)) events.at(t + plan.between(400, 1_500), () => processes.end(c, 'kill', 300))
    for (let k = 0; k < 10; k++) {
      events.at(t + plan.between(300, 12_000), () => people.request(plan.pick([b, c]), visitor, plan.pick(passes)))
    }
  },

  /** The last write before a loss is a login. */
  lostLogin({ world, faults, people }, [a, b, c]) {
    const { events, plan, visitors } = world
    const { now } = events
    events.at(now + plan.between(0, 500), () => people.login(a))
    const t = now + plan.between(300, 900)
    if (plan.hits(0.6)) {
      const lagMs = plan.between(50, 600)
      const old = plan.pick(['dead', 'demoted', 'split'] as const)
      events.at(t, () => faults.failover(lagMs, old, plan.between(300, 3_000)))
    } else {
      events.at(t, () => faults.killRedis())
      events.at(t + plan.between(200, 1_500), () => faults.restartRedis('snapshot'))
    }
    const number = visitors.length
    for (let k = 0; k < 12; k++) {
      events.at(t + plan.between(300, 12_000), () => {
        const visitor = visitors[number]
        if (visitor !== undefined) people.request(plan.pick([a, b, c]), visitor, plan.pick(['none', 'new']))
      })
    }
  },

  /** The process has no time; Redis has. */
  stalled({ world, people, processes }, [a, b], visitor) {
    const { events, plan, network } = world
    const { now } = events
    network.far = plan.between(60, 110)
    events.at(now + 7_000, () => (network.far = 0))
    for (let k = 0; k < 8; k++) {
      const t = now + plan.between(1_000, 6_500)
      events.at(t, () => people.request(a, visitor, plan.pick(['old', 'new'])))
      events.at(t + plan.between(10, 200), () => processes.stall(a, plan.between(260, 800)))
    }
    events.at(now + plan.between(500, 5_000), () =>
      plan.hits(0.5) ? people.logout(b, visitor) : people.loseRight(b, visitor),
    )
  },

  /** A slow Redis, no notes, a logout. */
  slowAndDeaf({ world, faults, people }, [a, b], visitor) {
    const { events, plan } = world
    const { now } = events
    faults.byName['slow']?.(a, 9_000)
    faults.setNotes(b, 'deaf')
    events.at(now + 9_000, () => faults.setNotes(b, 'ok'))
    events.at(now + plan.between(200, 1_000), () => people.logout(a, visitor))
    for (let k = 0; k < 10; k++) {
      events.at(now + plan.between(1_000, 9_000), () => people.request(b, visitor, plan.pick(['old', 'none'])))
    }
  },

  /** A replica misses a logout or a loss of rights, is back, and Redis goes. */
  missed({ world, faults, people, processes }, [a, b], visitor) {
    const { events, plan } = world
    const { now } = events
    faults.byName[plan.pick(['cutOff', 'notes', 'data'])]?.(b, plan.between(500, 3_000))
    events.at(now + plan.between(100, 500), () =>
      plan.hits(0.5) ? people.logout(a, visitor) : people.loseRight(a, visitor),
    )
    const t = now + plan.between(4_000, 9_000)
    events.at(t, () => faults.byName['outage']?.(a, plan.between(2_000, 6_000)))
    if (plan.hits(0.3)) events.at(t + plan.between(100, 900), () => processes.end(b, 'kill', 200))
    for (let k = 0; k < 10; k++) {
      events.at(t + plan.between(300, 5_000), () => people.request(b, visitor, plan.pick(['old', 'new'])))
    }
  },

  /** Redis is silent; what was asked meanwhile is done when it wakes, or never. */
  silence({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan } = world
    const { now } = events
    faults.byName['silent']?.(a, plan.between(400, 6_000))
    const t = now + plan.between(50, 4_000)
    events.at(t, () => (plan.hits(0.7) ? people.logout(a, visitor) : people.loseRight(a, visitor)))
    events.at(now + plan.between(10, 3_000), () => people.login(plan.pick([a, b, c])))
    if (plan.hits(0.3)) events.at(t + plan.between(5, 900), () => processes.end(a, 'kill', plan.between(200, 4_000)))
    if (plan.hits(0.3)) events.at(t + plan.between(5, 2_000), () => faults.killRedis())
    events.at(t + plan.between(2_500, 5_000), () => faults.restartRedis('data'))
    for (let k = 0; k < 10; k++) {
      events.at(t + plan.between(100, 9_000), () => people.request(plan.pick([a, b, c]), visitor, plan.pick(passes)))
    }
  },

  /** Everybody is replaced, one after the other, as an upgrade does; a logout in between. */
  upgrade({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan } = world
    const { now } = events
    const every = plan.between(600, 3_000)
    for (const [at, one] of [a, b, c].entries()) {
      events.at(now + at * every, () => processes.end(one, 'stop', plan.between(100, 2_000)))
    }
    if (plan.hits(0.6))
      events.at(now + plan.between(0, 3_000), () => faults.byName['outage']?.(a, plan.between(500, 6_000)))
    events.at(now + plan.between(100, 3 * every), () => people.logout(plan.pick([a, b, c]), visitor))
    for (let k = 0; k < 14; k++) {
      events.at(now + plan.between(500, 15_000), () => people.request(plan.pick([a, b, c]), visitor, plan.pick(passes)))
    }
  },
}
