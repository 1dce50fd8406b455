// One run: one seed, one schedule. A plan of what people do and of what breaks, everything mended after a while, and then everybody
// is tried everywhere.
import { createChance } from './chance.ts'
import { createEvents } from './events.ts'
import { createFaults } from './faults.ts'
import { createJudge, type Counts, type Judge, type Violation } from './judge.ts'
import { createPeerRoads } from './peers.ts'
import { createPeople, type Which } from './people.ts'
import { createProcesses, stopwatchOf } from './process.ts'
import { createProvider, mayBeOver, type Account } from './provider.ts'
import { names } from './redis/link.ts'
import { createNetwork, newRoads } from './redis/network.ts'
import { createServers } from './redis/servers.ts'
import { createStory } from './story.ts'
import { narrowTemplates } from './narrow-templates.ts'
import { templates, type Actors } from './templates.ts'
import type { Replica, Settings, Visitor, World } from './world.ts'

export interface RunOptions {
  readonly seed: number
  /** Every run with this kind of trouble. */
  readonly template?: string | undefined
  readonly isTold?: boolean
}

export interface RunResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly counts: Counts
  readonly events: number
  readonly lines: readonly string[]
  readonly hash: string
}

const end = 57_000
const healAt = 26_000

const streams = { plan: 1, network: 2, settings: 3, losses: 4, manner: 5 }

export async function runSeed({ seed, template, isTold = false }: RunOptions): Promise<RunResult> {
  const events = createEvents(end)
  const plan = createChance(seed, streams.plan)
  const settings = pickSettings(seed)
  const story = createStory(isTold, () => events.now)
  // The judge watches the servers from the first write on; there is none before the world is complete.
  let judge: Judge | undefined
  const skew = () => plan.between(-settings.skewMs, settings.skewMs)
  const servers = createServers({
    events,
    skews: [skew(), skew()],
    onEffects: (...given) => judge?.effects(...given),
  })
  const network = createNetwork(servers, createChance(seed, streams.network))
  const replicas = Array.from({ length: settings.replicas }, (_, index) => newReplica(index, skew()))
  const accounts = new Map<string, Account>()
  const world: World = {
    settings,
    events,
    story,
    plan,
    manner: createChance(seed, streams.manner),
    network,
    servers,
    replicas,
    visitors: [],
    accounts,
    provider: createProvider({
      events,
      chance: network.chance,
      losses: createChance(seed, streams.losses),
      tokenLifeMs: settings.tokenLifeMs,
      accounts,
      onReuse: (account) => judge?.reused(account),
    }),
    peerRoads:
      settings.peers === 'off'
        ? undefined
        : createPeerRoads({
            events,
            chance: network.chance,
            hosts: replicas,
            kind: settings.peers,
            onKnown: () => judge?.contacts(),
          }),
    hasLostData: false,
    hasLostWrites: false,
    endings: [],
    isFlushed: false,
    wasDivided: false,
    hasBeenFull: false,
    lastLossAt: -10_000,
  }
  judge = createJudge(world)
  const processes = createProcesses(world, judge, seed)
  const faults = createFaults(world, judge, processes)
  const people = createPeople(world, judge)
  story.say(`seed ${seed} ${JSON.stringify(settings)}`)
  schedule({ world, faults, people, processes }, judge, template)
  const { violation } = judge
  await events.run((error, loop) => {
    violation(
      'uncaught',
      `${loop?.name ?? 'the world'}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    )
  })
  return {
    seed,
    violations: judge.found,
    counts: judge.counts,
    events: events.count,
    lines: story.lines,
    hash: story.hash(),
  }
}

function pickSettings(seed: number): Settings {
  const chance = createChance(seed, streams.settings)
  const others: Omit<Settings, 'refreshGraceMs'> = {
    replicas: chance.pick([2, 3, 3, 3, 3, 4, 5]),
    mode: chance.hits(0.85) ? 'hybrid' : 'redis',
    tokenLifeMs: chance.pick([6_000, 15_000, 200_000]),
    maxStaleMs: chance.pick([4_000, 12_000, 200_000]),
    passMaxAgeMs: chance.hits(0.1) ? undefined : chance.pick([5_000, 20_000, 400_000]),
    peers: chance.pick(['off', 'dns', 'dns', 'static']),
    hasSpool: chance.hits(0.4),
    skewMs: chance.pick([0, 2_000]),
  }
  const { tokenLifeMs } = others
  // Shortly before the token's end, or long before: then an old state lives on beside a new one.
  const refreshGraceMs = Math.max(chance.hits(0.3) ? tokenLifeMs - 5_000 : 0, Math.min(1_500, tokenLifeMs / 2))
  return { ...others, refreshGraceMs }
}

const newReplica = (index: number, skewMs: number): Replica => ({
  index,
  skewMs,
  roads: newRoads(),
  file: new Map(),
  met: new Map(),
  loop: undefined,
  link: undefined,
  cache: undefined,
  sessions: undefined,
  answer: undefined,
  known: [],
  bornAt: 0,
  isStopping: false,
  inFlight: 0,
  unpinnedAt: -10_000,
  droppedAt: -10_000,
  reachSince: undefined,
  heardAt: -10_000,
  noteLostAt: Number.NEGATIVE_INFINITY,
  tokenAt: -10_000,
  trustedAt: -10_000,
  reseedingAt: -10_000,
  contact: [],
})

const weighted = (
  'data data notes notes cutOff cutOff outage outage outage failover failover full slow silent silent readOnly flush ' +
  'evict evict wrongType stop stop kill kill stall stall peer'
).split(' ')

function schedule(actors: Actors, judge: Judge, only: string | undefined): void {
  const { world, people, processes } = actors
  const { events, plan, replicas, servers } = world
  for (const replica of replicas) events.at(plan.between(0, 300), () => processes.start(replica))
  const snapshot = () => {
    servers.takeSnapshot()
    events.at(events.now + 4_000, snapshot)
  }
  events.at(3_500, snapshot)
  const watch = () => {
    for (const replica of replicas) {
      const { cache, bornAt } = replica
      if (cache !== undefined && stopwatchOf(bornAt, events.now) < cache.trust.until) replica.trustedAt = events.now
    }
    judge.horizons()
    events.at(events.now + 500, watch)
  }
  events.at(500, watch)
  lives(actors)
  troubles(actors, only)
  events.at(healAt, () => actors.faults.mendAll())
  finale(actors, judge)

  /** People: some are there from the beginning. */
  function lives({ world: { visitors } }: Actors): void {
    const anyReplica = () => plan.pick(replicas)
    const someone = (act: (visitor: Visitor) => void) => () => {
      if (visitors.length > 0) act(plan.pick(visitors))
    }
    const count = plan.between(2, 4)
    for (let k = 0; k < count; k++) {
      const replica = anyReplica()
      events.at(plan.between(900, 1_500), () => people.login(replica))
    }
    for (let k = plan.between(0, 2); k > 0; k--) {
      const replica = anyReplica()
      events.at(plan.between(4_000, healAt - 3_000), () => people.login(replica))
    }
    // Everybody is seen by every replica, or not.
    for (let k = 0; k < count; k++) {
      for (const replica of replicas) {
        if (!plan.hits(0.7)) continue
        events.at(plan.between(1_700, 2_600), () => {
          const visitor = visitors[k]
          if (visitor !== undefined) people.request(replica, visitor, 'new', true)
        })
      }
    }
    for (let k = plan.between(40, 80); k > 0; k--) {
      const replica = anyReplica()
      const which = plan.pick(['new', 'new', 'old', 'none'] as const)
      const renews = plan.hits(0.2)
      events.at(
        plan.between(2_500, healAt + 4_000),
        someone((visitor) => people.request(replica, visitor, which, renews)),
      )
    }
    const leaving = (act: (replica: Replica, visitor: Visitor) => void) => {
      const replica = anyReplica()
      events.at(
        plan.between(3_000, healAt - 2_000),
        someone((visitor) => {
          act(replica, visitor)
          // A thief tries soon, and again.
          for (let k = 0; k < 14; k++) {
            const where = anyReplica()
            const which = plan.pick(['old', 'new', 'none'] as const)
            events.at(events.now + Math.floor(60 * 1.6 ** k * (0.5 + plan.next())), () =>
              people.request(where, visitor, which),
            )
          }
        }),
      )
    }
    for (let k = plan.between(1, 2); k > 0; k--) leaving((replica, visitor) => people.logout(replica, visitor))
    for (let k = plan.between(0, 2); k > 0; k--) leaving((replica, visitor) => people.loseRight(replica, visitor))
  }
}

/** One kind of trouble, or chance: alone, or close together. */
function troubles(actors: Actors, only: string | undefined): void {
  const { world, faults } = actors
  const { events, plan, replicas, story, visitors } = world
  const name = only ?? (plan.hits(0.5) ? plan.pick(Object.keys(templates)) : undefined)
  if (name !== undefined) {
    const template = templates[name] ?? narrowTemplates[name]
    if (template === undefined) throw new RangeError(`no such template: ${name}`)
    story.say(`plan: ${name}`)
    const order = shuffled(replicas, plan.next)
    const [a = replicas[0], b = a, c = b] = order
    if (a === undefined || b === undefined || c === undefined) return
    events.at(plan.between(4_000, 9_000), () => {
      if (visitors.length > 0) template(actors, [a, b, c], plan.pick(visitors))
    })
  }
  let at = plan.between(2_500, 16_000)
  for (let k = name === undefined ? plan.between(1, 6) : plan.between(0, 1); k > 0; k--) {
    const kind = plan.pick(weighted)
    const replica = plan.pick(replicas)
    const when = at
    const ms = Math.min(healAt - when, Math.floor(150 * 60 ** plan.next()))
    events.at(when, () => faults.byName[kind]?.(replica, ms))
    at = plan.hits(0.6) ? Math.min(healAt - 500, at + plan.between(0, 2_500)) : plan.between(2_500, healAt - 500)
  }
}

function shuffled<Item>(list: readonly Item[], next: () => number): Item[] {
  return list
    .map((item) => ({ item, order: next() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}

/** All is mended; after the time of convergence everybody is tried everywhere, and once more without Redis. */
function finale(actors: Actors, judge: Judge): void {
  const { world, faults, people, processes } = actors
  const { events, plan, replicas, servers, settings, story, visitors } = world
  const all: readonly Which[] = ['old', 'new', 'none']
  const everybody = (withinMs: number, whichever: readonly Which[]) => {
    for (const visitor of visitors) {
      for (const replica of replicas) {
        for (const which of whichever) {
          events.at(events.now + plan.between(0, withinMs), () => people.request(replica, visitor, which))
        }
      }
    }
  }
  const isValid = ({ ticket, withdrawals, isLeaving, isSuperseding, isDamaged, account }: Visitor) =>
    ticket !== '' && withdrawals.length === 0 && !isLeaving && !isSuperseding && !isDamaged && !mayBeOver(account)
  const isStored = ({ id }: Visitor) => servers.primary.keys.has(names.session(id))
  const everywhere = (visitor: Visitor, orElse: string) => {
    for (const replica of replicas) {
      events.at(events.now + plan.between(0, 300), () => people.mustEnter(replica, visitor, orElse))
    }
  }

  events.at(healAt + 10_000, () => {
    story.say('--- first look')
    judge.unrecorded()
    for (const { index, loop, cache, trustedAt } of replicas) {
      if (loop === undefined || cache === undefined) {
        judge.violation('not-running', `r${index}`)
        continue
      }
      if (settings.mode === 'hybrid' && events.now - trustedAt > 4_000) {
        judge.violation('near-never-trusted', `r${index}: ${events.now - trustedAt} ms`)
      }
      const { connected } = cache.health().redis
      // What was withdrawn a moment ago is on its way.
      const left = cache.floors.unlogged(100).filter(({ id }) => cache.floors.knownForMs(id) > 1_500)
      if (connected && cache.journal.size === 0 && left.length === 0) continue
      const state = `connected ${connected}, journal ${cache.journal.size}, withdrawals not logged ${left.length}`
      judge.violation('no-convergence', `r${index}: ${state}`)
    }
    for (const visitor of visitors) {
      if (!isValid(visitor)) continue
      if (isStored(visitor)) everywhere(visitor, 'valid-refused-at-the-end')
      // Redis lost writes, or all, but no replica ended: what they had near is there again.
      else if (world.endings.length === 0 && !world.isFlushed && !world.wasDivided && settings.maxStaleMs >= 12_000) {
        judge.violation('valid-lost-with-redis-data', `s${visitor.number}`)
      }
    }
    everybody(400, all)
  })

  let hadLostData = false
  let nearAtLoss: ReadonlySet<Visitor> = new Set()
  events.at(healAt + 10_990, () => {
    hadLostData = world.hasLostData
    nearAtLoss = new Set(
      visitors.filter(
        ({ ticket }) => ticket !== '' && replicas.some(({ sessions }) => sessions?.near(ticket) !== undefined),
      ),
    )
  })
  events.at(healAt + 11_000, () => faults.killRedis())
  events.at(healAt + 11_500, () => everybody(600, all))
  const restartsOne = plan.hits(0.4)
  const cause = plan.pick(['stop', 'kill'] as const)
  const kind = plan.pick(['data', 'empty', 'snapshot'] as const)
  const [first] = replicas
  if (restartsOne && first !== undefined) events.at(healAt + 12_500, () => processes.end(first, cause, 300))
  events.at(healAt + 16_500, () => everybody(600, all))
  events.at(healAt + 17_500, () => faults.restartRedis(kind))
  events.at(healAt + 18_000, () => everybody(3_000, ['old', 'new']))
  events.at(healAt + 28_000, () => {
    story.say('--- last look')
    everybody(400, all)
    // An emptied Redis, nobody missing: who was near and valid is still there.
    if (kind !== 'empty' || restartsOne || hadLostData) return
    for (const visitor of visitors) {
      if (isValid(visitor) && nearAtLoss.has(visitor)) everywhere(visitor, 'valid-lost-with-an-emptied-redis')
    }
  })
}
