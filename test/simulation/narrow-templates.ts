// Schedules for what chance hardly ever hits: each goes for one rule, in the narrow moment in which that rule matters.
import type { Template } from './templates.ts'
import type { Visitor } from './world.ts'

const passes = ['old', 'new', 'none'] as const

export const narrowTemplates: Readonly<Record<string, Template>> = {
  /** A logout, or the loss of a right, overtakes the answer to a read that was under way. */
  overtaken({ world, people }, [a, b, c], visitor) {
    const { events, plan, network, visitors } = world
    const { now } = events
    network.far = plan.between(20, 60)
    events.at(now + 4_000, () => (network.far = 0))
    const number = visitors.length
    people.login(a)
    const t = now + plan.between(700, 2_000)
    events.at(t, () => people.logout(a, visitors[number] ?? visitor))
    events.at(t + plan.between(-200, 200), () => people.loseRight(a, visitor))
    for (let k = 0; k < 24; k++) {
      events.at(t + plan.between(-100, 400), () =>
        people.request(plan.pick([b, c]), plan.hits(0.7) ? (visitors[number] ?? visitor) : visitor, plan.pick(passes)),
      )
    }
  },

  /** Word of a refresh goes to a replica that hears nothing; then it hears again, and answers. */
  missedRefresh({ world, faults, people }, [a, b], visitor) {
    const { events, plan } = world
    const { now } = events
    events.at(now, () => people.request(b, visitor, 'new'))
    const deafMs = plan.between(1_000, 4_000)
    events.at(now + 300, () => faults.setNotes(b, plan.pick(['deaf', 'down'])))
    events.at(now + 300 + deafMs, () => faults.setNotes(b, 'ok'))
    for (let at = 400; at < deafMs; at += 150) events.at(now + at, () => people.request(a, visitor, 'new', true))
    for (let k = 0; k < 30; k++) {
      events.at(now + deafMs + plan.between(0, 8_000), () => people.request(b, visitor, 'new'))
    }
  },

  /** Replicas that reach neither Redis nor those who do, for longer than anything may count there. */
  island({ world, faults, people }, [a, b, c], visitor) {
    const { events, plan, replicas } = world
    const { now } = events
    const isShared = plan.hits(0.5)
    const ms = plan.between(9_000, 14_000)
    for (const one of isShared ? [b, c] : [b]) {
      const k = plan.between(0, 3_000)
      events.at(now + (one === b ? 0 : k), () => faults.byName['cutOff']?.(one, ms - (one === b ? 0 : k)))
      for (const other of replicas) {
        if (other !== one && !(isShared && (other === b || other === c))) faults.cutPeers(one, other, ms)
      }
    }
    for (let k = 500; k < ms; k += 500) events.at(now + k, () => people.request(a, visitor, 'new', true))
    const t = now + plan.between(1_000, ms - 2_000)
    events.at(t, () => people.logout(a, visitor))
    for (let k = 0; k < 24; k++) {
      events.at(now + plan.between(1_000, ms), () => people.request(plan.pick([b, c]), visitor, plan.pick(passes)))
    }
  },

  /** A logout while Redis is away; then everybody ends, and starts before Redis is back. */
  blackout({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan, replicas, visitors } = world
    const { now } = events
    events.at(now, () => people.logout(b, plan.pick(visitors)))
    events.at(now + plan.between(500, 1_500), () => faults.killRedis())
    const t = now + plan.between(2_000, 3_000)
    events.at(t, () => people.logout(a, visitor))
    const cause = plan.pick(['stop', 'kill'] as const)
    for (const one of replicas) {
      events.at(t + plan.between(20, 1_500), () => processes.end(one, cause, plan.between(300, 1_000)))
    }
    const back = t + plan.between(3_000, 9_000)
    events.at(back, () => faults.restartRedis(plan.pick(['data', 'empty', 'snapshot'] as const)))
    for (let k = 0; k < 20; k++) {
      events.at(t + plan.between(3_000, 13_000), () =>
        people.request(plan.pick([a, a, b, c]), visitor, plan.pick(passes)),
      )
    }
  },

  /** A replica takes a logout and dies; the failover that follows loses what it wrote, and others have heard of it. */
  lastWords({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan } = world
    const lagMs = plan.between(100, 700)
    const old = plan.pick(['dead', 'demoted'] as const)
    visitor.onWithdrawn = () => {
      const { now } = events
      events.at(now + plan.between(1, 100), () => processes.end(a, 'kill', 20_000))
      events.at(now + plan.between(20, 400), () => faults.failover(lagMs, old, 500))
    }
    events.at(events.now + plan.between(100, 900), () => people.logout(a, visitor))
    for (let k = 0; k < 6; k++) {
      events.at(events.now + plan.between(1_500, 12_000), () => people.request(plan.pick([b, c]), visitor, 'old'))
    }
  },

  /** A failover loses a logout that everybody has read; another one is recorded before anybody looks again. */
  lostTwo({ world, faults, people, processes }, [a, b, c], visitor) {
    const { events, plan, visitors } = world
    const { now } = events
    const other = plan.pick(visitors)
    events.at(now + plan.between(0, 200), () => people.logout(a, visitor))
    const t = now + plan.between(700, 1_100)
    events.at(t, () => faults.failover(1_500, 'dead', 300))
    // Connecting takes a while: whoever is there first writes, and the others find it done.
    events.at(t + plan.between(30, 700), () => people.logout(plan.pick([a, b, c]), other))
    if (plan.hits(0.5)) events.at(t + plan.between(1_000, 2_000), () => processes.end(c, 'kill', 300))
    for (let k = 0; k < 8; k++) {
      events.at(t + plan.between(2_000, 12_000), () => people.request(plan.pick([b, c]), visitor, plan.pick(passes)))
    }
  },

  /** A replica starts, and its connection is lost while it reads what was withdrawn. */
  halfRead({ world, faults, people, processes }, [a, b], visitor) {
    const { events, plan, network } = world
    const { now } = events
    network.far = plan.between(20, 60)
    events.at(now + 5_000, () => (network.far = 0))
    events.at(now + 100, () => people.logout(a, visitor))
    events.at(now + 600, () => processes.end(b, 'kill', 400))
    for (let k = 0; k < 6; k++) {
      const t = now + 1_000 + plan.between(20, 900)
      events.at(t, () => faults.setData(b, 'refused'))
      events.at(t + plan.between(5, 40), () => faults.setData(b, 'ok'))
    }
    const down = now + plan.between(2_000, 2_500)
    if (plan.hits(0.7)) events.at(down, () => faults.byName['outage']?.(b, 6_000))
    for (let k = 0; k < 12; k++) {
      events.at(now + plan.between(1_000, 7_000), () => people.request(b, visitor, plan.pick(passes)))
    }
  },

  /** Something else lies where the journal, or what was near, is to be written. */
  damaged({ world, faults, people }, [a, b, c], visitor) {
    const { events, plan, visitors } = world
    const { now } = events
    const refuses = plan.hits(0.6)
    if (refuses) faults.byName['full']?.(a, 6_000)
    for (let k = 0; k < 30; k++) {
      const one = plan.hits(0.5) ? visitor : plan.pick(visitors)
      events.at(now + plan.between(0, 6_000), () => people.request(plan.pick([a, b, c]), one, 'new'))
    }
    for (let k = 0; k < 3; k++) {
      events.at(now + plan.between(3_000, 5_900), () => faults.byName['wrongType']?.(a, 0))
    }
    if (refuses) return
    const down = now + plan.between(1_500, 2_500)
    events.at(down, () => faults.killRedis())
    events.at(down + 500, () => {
      faults.restartRedis('snapshot')
      for (let k = 0; k < 3; k++) faults.byName['wrongType']?.(a, 0)
    })
  },

  /** A login of the outage is withdrawn elsewhere, and that is recorded before its own replica is back. */
  lateLogin({ world, faults, people }, [a, b, c]) {
    const { events, plan, visitors } = world
    const { now } = events
    const number = visitors.length
    faults.killRedis()
    events.at(now + plan.between(300, 1_000), () => people.login(a))
    const back = now + plan.between(1_500, 3_500)
    const late = plan.between(3_500, 7_000)
    events.at(back - 20, () => faults.byName['cutOff']?.(a, late))
    if (plan.hits(0.5)) for (const one of world.replicas) if (one !== a) faults.cutPeers(a, one, late + 2_000)
    events.at(back, () => faults.restartRedis(plan.pick(['data', 'empty'] as const)))
    events.at(back + plan.between(-400, 900), () => {
      const visitor = visitors[number]
      if (visitor !== undefined) people.logout(b, visitor)
    })
    for (let k = 0; k < 14; k++) {
      events.at(back + plan.between(0, late + 6_000), () => {
        const visitor = visitors[number]
        if (visitor !== undefined) people.request(plan.pick([a, b, c]), visitor, plan.pick(passes))
      })
    }
  },

  /** A logout that no log took: its mark alone is there when the replica of the login comes back. */
  markAlone({ world, faults, people, processes }, [a, b, c]) {
    const { events, plan, visitors, replicas } = world
    const { now } = events
    const number = visitors.length
    const someone = (act: (visitor: Visitor) => void) => () => {
      const visitor = visitors[number]
      if (visitor !== undefined) act(visitor)
    }
    faults.killRedis()
    events.at(now + plan.between(300, 1_000), () => people.login(b))
    const back = now + plan.between(1_500, 2_500)
    const late = plan.between(4_000, 6_000)
    events.at(back - 20, () => faults.byName['cutOff']?.(b, late))
    for (const one of replicas) if (one !== b) faults.cutPeers(b, one, late + 3_000)
    events.at(back, () => faults.restartRedis('data'))
    // Written, so that nothing of it is in a log.
    const t = back + plan.between(600, 1_200)
    events.at(t - 100, () => faults.spoilLog())
    events.at(
      t,
      someone((visitor) => people.logout(a, visitor)),
    )
    for (const one of replicas) if (one !== b) events.at(t + 400, () => processes.end(one, 'kill', 20_000))
    events.at(t + 600, () => faults.removeLog())
    const down = back + late + plan.between(2_000, 4_500)
    events.at(down, () => faults.killRedis())
    events.at(down + 3_000, () => faults.restartRedis('data'))
    for (let k = 0; k < 24; k++) {
      events.at(
        back + late + plan.between(500, 8_000),
        someone((visitor) => people.request(plan.pick([b, b, c]), visitor, plan.pick(passes))),
      )
    }
  },

  /** One replica alone knows of a logout; Redis lost it, and both come back by a long road. */
  longRoad({ world, faults, people }, [a, b], visitor) {
    const { events, plan, network, replicas } = world
    const { now } = events
    const away = plan.between(6_000, 8_000)
    for (const one of replicas) {
      if (one === a) continue
      faults.byName['cutOff']?.(one, away)
      for (const other of replicas) if (other !== one) faults.cutPeers(one, other, away + 8_000)
    }
    events.at(now + plan.between(1_000, 1_800), () => people.logout(a, visitor))
    const down = now + away - plan.between(200, 900)
    events.at(down, () => faults.killRedis())
    events.at(down + 100, () => {
      faults.restartRedis('empty')
      network.far = plan.between(30, 100)
    })
    events.at(down + 6_000, () => (network.far = 0))
    faults.setData(a, 'ok')
    events.at(down, () => faults.setData(a, 'refused'))
    events.at(now + away + plan.between(-200, 400), () => faults.setData(a, 'ok'))
    for (let k = 0; k < 10; k++) {
      events.at(now + away + plan.between(300, 8_000), () => people.request(b, visitor, plan.pick(passes)))
    }
  },

  /** Redis comes back with a snapshot of long ago: what was written since is in no log. */
  oldSnapshot({ world, faults, people }, [a, b, c]) {
    const { events, plan, visitors } = world
    const { now } = events
    const number = visitors.length
    for (let k = 0; k < 3; k++) events.at(now + plan.between(0, 800), () => people.login(plan.pick([a, b, c])))
    for (let k = 0; k < 10; k++) {
      events.at(now + plan.between(900, 13_000), () => {
        const visitor = visitors[number + plan.between(0, 2)]
        if (visitor !== undefined) people.request(plan.pick([a, b, c]), visitor, 'new', true)
      })
    }
    const down = now + plan.between(11_500, 14_000)
    events.at(down, () => faults.killRedis())
    events.at(down + plan.between(200, 1_500), () => faults.restartRedis('snapshot'))
  },

  /** Redis comes back empty, and one replica comes back to it much later: the others wait for it. */
  longWait({ world, faults, people }, [a, b, c], visitor) {
    const { events, plan, visitors } = world
    const { now } = events
    faults.killRedis()
    const back = now + plan.between(500, 1_500)
    const late = plan.between(4_500, 8_000)
    events.at(back - 10, () => {
      faults.setData(b, 'refused')
      faults.setNotes(b, 'down')
    })
    events.at(back + late, () => {
      faults.setData(b, 'ok')
      faults.setNotes(b, 'ok')
    })
    events.at(back, () => faults.restartRedis('empty'))
    for (let k = 0; k < 24; k++) {
      events.at(back + plan.between(0, 11_000), () =>
        people.request(plan.pick([a, c]), plan.pick([visitor, plan.pick(visitors)]), plan.pick(passes)),
      )
    }
  },
}
