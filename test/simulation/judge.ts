// The omniscient judge of what docs/outage.md promises: it knows each withdrawal, when it was answered, where it was recorded, and who
// was in contact with whom, and says when somebody got in who should be out, or is out who should be in.
import { newerComesWithinMs } from '../../src/session/near-cache.ts'
import { trustForMs } from '../../src/session/lifetimes.ts'
import type { Session } from '../../src/session/session.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { generationOf } from '../../src/session/codec.ts'
import type { Loop } from './events.ts'
import { mayBeOver, rightsIn, type Account } from './provider.ts'
import { isSweepOf } from './sealer.ts'
import type { Effect } from './redis/keyspace.ts'
import { names, sessionOf } from './redis/link.ts'
import { epoch, type Server } from './redis/servers.ts'
import type { Interval, Replica, Visitor, Withdrawn, World } from './world.ts'

export interface Violation {
  readonly what: string
  readonly words: string
  readonly at: number
}

export interface Judge {
  readonly found: readonly Violation[]
  readonly counts: Counts
  violation(what: string, words: string): void
  /** Roads, processes or servers changed: who reaches whom? */
  contacts(): void
  /** Redis lost or replaced its data. */
  dataChanged(): void
  effects(server: Server, effects: readonly Effect[], by: number, command: string): void
  granted(replica: Replica, visitor: Visitor, session: Session, from: string): void
  refused(replica: Replica, visitor: Visitor, why: Refusal, hadPass: boolean, since: number): void
  /** Somebody wanted to leave, and was told that there is nothing to end. */
  notEnded(replica: Replica, visitor: Visitor, hadPass: boolean): void
  stoodIn(replica: Replica, ground: string, result: string): void
  /** A refresh token was presented twice: the provider ends the session. */
  reused(account: Account): void
  withdrawn(replica: Replica, id: string, floor: number, isKept: boolean): void
  /** Before and after the end of a process. */
  ending(replica: Replica, cause: 'stop' | 'kill', stop?: OrderlyStop): () => void
  misled(replica: Replica): boolean
  isWellKnown(replica: Replica): boolean
  /** Nobody's fault: it has to wait, or had to when the request began (at `since`), for those who may have used a refresh token. */
  isWaiting(replica: Replica, why: string, since: number): boolean
  /** It still speaks to a server that is the primary no more. */
  isOnOtherServer(replica: Replica): boolean
  horizons(): void
  /** All has been well for long enough: what anybody knows is in the record. */
  unrecorded(): void
}

export interface OrderlyStop {
  /** ms of the run */
  readonly askedAt: number
  /** It was done with all that it had to do, and was not ended before. */
  readonly isComplete: boolean
}

export type Refusal = { readonly kind: 'absent' | 'later'; readonly why: string }

export interface Counts {
  grants: number
  /** Let in after a withdrawal of which nobody could have known. */
  exposed: number
  longestExposureMs: number
  incompleteLogouts: number
  refused: Record<string, number>
}

/** What a replica must have learnt after this long in contact (ms): reconnecting, a beat that times out, one more, pages. */
const must = { redis: 5_000, peer: 3_000 }
/** A near copy answers alone for no longer than this after the last beat that was answered, and the last token that came. */
const proofLastsMs = 2_000
/** Added to limits that are kept by wall clocks. */
const marginMs = 10

export function createJudge(world: World): Judge {
  const { events, story, settings, servers, replicas, visitors } = world
  const violations: Violation[] = []
  const all: Withdrawn[] = []
  let redisDownSince: number | undefined
  const pairs = new Map<string, { intervals: Interval[]; lives: readonly (Loop | undefined)[] }>()
  const counts: Counts = { grants: 0, exposed: 0, longestExposureMs: 0, incompleteLogouts: 0, refused: {} }

  function violation(what: string, words: string): void {
    violations.push({ what, words, at: events.now })
    story.say(`!!! ${what}: ${words}`)
  }

  // --- who reaches whom -----------------------------------------------------------------------------------------------

  function mark(list: Interval[], isOn: boolean): void {
    const last = list.at(-1)
    const isOpen = last !== undefined && last[1] < 0
    if (isOn && !isOpen) list.push([events.now, -1])
    else if (!isOn && isOpen) last[1] = events.now
  }

  const pairOf = (a: Replica, b: Replica) => {
    const name = a.index < b.index ? `${a.index} ${b.index}` : `${b.index} ${a.index}`
    let pair = pairs.get(name)
    if (pair === undefined) pairs.set(name, (pair = { intervals: [], lives: [] }))
    return pair
  }

  const acquainted = (a: Replica, b: Replica) =>
    (a.answer !== undefined && a.known.includes(b.index)) || (b.answer !== undefined && b.known.includes(a.index))

  function contacts(): void {
    const { primary } = servers
    if (primary.isUp) redisDownSince = undefined
    else redisDownSince ??= events.now
    for (const replica of replicas) {
      const { loop, roads } = replica
      const isReaching =
        loop !== undefined &&
        roads.data === 'ok' &&
        roads.pinned === undefined &&
        primary.isUp &&
        !primary.isFrozen &&
        primary.role === 'primary'
      if (!isReaching || world.network.isSlow) replica.reachSince = undefined
      else replica.reachSince ??= events.now
      mark(replica.contact, isReaching && !loop.isPaused)
    }
    if (world.peerRoads === undefined) return
    for (const a of replicas) {
      for (const b of replicas) {
        if (a.index >= b.index) continue
        const pair = pairOf(a, b)
        if (pair.lives[0] !== a.loop || pair.lives[1] !== b.loop) {
          mark(pair.intervals, false)
          pair.lives = [a.loop, b.loop]
        }
        const isOn =
          a.loop?.isPaused === false &&
          b.loop?.isPaused === false &&
          !world.peerRoads.isCut(a.index, b.index) &&
          a.answer !== undefined &&
          b.answer !== undefined &&
          acquainted(a, b)
        mark(pair.intervals, isOn)
      }
    }
  }

  function overlap([from, to]: Interval, [otherFrom, otherTo]: Interval, since: number): number {
    const { now } = events
    return Math.min(to < 0 ? now : to, otherTo < 0 ? now : otherTo, now) - Math.max(from, otherFrom, since)
  }

  // --- what is known where --------------------------------------------------------------------------------------------

  /** Since when the replica has known it (ms of the run); undefined: it does not. */
  function knows({ cache, loop }: Replica, { recordedAs: id, floor }: Withdrawn): number | undefined {
    if (cache === undefined || loop === undefined || cache.floors.of(id) < floor) return undefined
    return events.now - cache.floors.knownForMs(id)
  }

  const misled = ({ roads, unpinnedAt }: Replica) => roads.pinned !== undefined || events.now - unpinnedAt < 3_000

  function logged(server: Server): Map<string, number> {
    const found = new Map<string, number>()
    const value = server.keys.get(names.log)?.value
    if (value?.type !== 'zset') return found
    for (const { member } of value.members) {
      const [id = '', floor] = member.split(':')
      found.set(id, Math.max(found.get(id) ?? 0, Number(floor)))
    }
    return found
  }

  function recheck(): void {
    if (all.length === 0) return
    const log = logged(servers.primary)
    for (const w of all) {
      const isRecorded = (log.get(w.recordedAs) ?? 0) >= w.floor
      if (isRecorded === w.isRecorded) continue
      w.isRecorded = isRecorded
      if (isRecorded) {
        w.recorded.push([events.now, -1])
        w.lostAt = undefined
        continue
      }
      const last = w.recorded.at(-1)
      if (last !== undefined) last[1] = events.now
      w.unrecordedSince = events.now
      // An old snapshot, or a failover, brings the session back without anybody's doing.
      const stored = generationIn(servers.primary, w.visitor.id)
      if (stored !== undefined && stored < w.floor) w.isBackByItself = true
    }
  }

  function generationIn(server: Server, id: string): number | undefined {
    const value = server.keys.get(names.session(id))?.value
    return value?.type === 'string' ? generationOf(value.bytes) : undefined
  }

  const isSpooled = (w: Withdrawn) => replicas.some(({ file }) => (file.get(w.recordedAs)?.floor ?? 0) >= w.floor)

  const isHeld = (w: Withdrawn) =>
    w.isRecorded || replicas.some((replica) => knows(replica, w) !== undefined) || isSpooled(w)

  // --- withdrawals ----------------------------------------------------------------------------------------------------

  function withdrawn(replica: Replica, id: string, floor: number, isKept: boolean): void {
    const visitor = visitors.find((known) => known.id === id || isSweepOf(id, known))
    const { loop } = replica
    if (visitor === undefined || loop === undefined) return
    const kind = floor >= everyGeneration ? 'logout' : 'loss of a right'
    const w: Withdrawn = {
      visitor,
      recordedAs: id,
      floor,
      at: events.now,
      by: replica,
      loop,
      kind,
      isKept,
      recorded: [],
      isRecorded: false,
      unrecordedSince: events.now,
      lostAt: undefined,
      isBackByItself: false,
    }
    visitor.withdrawals.push(w)
    all.push(w)
    if (story.isTold) {
      const below = kind === 'logout' ? 'all' : String(floor)
      story.say(
        `s${visitor.number}: ${kind} accepted at r${replica.index}, floor ${below}${isKept ? '' : ', not kept'}`,
      )
    }
    recheck()
    visitor.onWithdrawn?.()
    visitor.onWithdrawn = undefined
    // A failover moments ago: it may still be connected to the old primary, which refuses.
    const isRecent = events.now - world.lastLossAt < 1_000
    if (!isKept) {
      counts.incompleteLogouts++
      const isTaken = (isWellKnown(replica) && !misled(replica)) || reachesPeer(replica)
      if (isTaken && !isRecent) violation('not-kept', `s${visitor.number} at r${replica.index}`)
      if (settings.hasSpool) violation('spool-not-used', `s${visitor.number} at r${replica.index}`)
      return
    }
    const others = replicas.some((other) => other !== replica && knows(other, w) !== undefined)
    // Whoever took it may have ended, or lost it, while the answer was on its way.
    if (!w.isRecorded && !others && !isSpooled(w) && !isRecent && !misled(replica)) {
      violation(
        'answered-but-lost',
        `s${visitor.number}: ${kind} at r${replica.index} answered as done, and nobody else has it`,
      )
    }
  }

  /** Somebody whom it knows, and who has been there long enough to be met. */
  function reachesPeer(replica: Replica): boolean {
    return replicas.some((other) => {
      if (other === replica || other.isStopping || !replica.known.includes(other.index)) return false
      const last = pairOf(replica, other).intervals.at(-1)
      return last !== undefined && last[1] < 0 && events.now - last[0] >= must.peer
    })
  }

  function dataChanged(): void {
    world.lastLossAt = events.now
    recheck()
    for (const w of all) {
      // A snapshot of before brings the session back without anybody's doing, however long ago its logout was lost.
      const stored = generationIn(servers.primary, w.visitor.id)
      if (!w.isRecorded && stored !== undefined && stored < w.floor) w.isBackByItself = true
      if (w.lostAt !== undefined || isHeld(w)) continue
      w.lostAt = events.now
      story.say(`the ${w.kind} of s${w.visitor.number} is lost with Redis' data`)
    }
  }

  /** Redis could not be asked: all that it knew lies in its spool. */
  function notInSpool(replica: Replica): void {
    for (const w of all) {
      const since = knows(replica, w)
      if (since === undefined || events.now - since < 200) continue
      if ((replica.file.get(w.recordedAs)?.floor ?? 0) >= w.floor) continue
      violation('lost-by-orderly-stop', `s${w.visitor.number}: ${w.kind}, not in the spool of r${replica.index}`)
    }
  }

  function ending(replica: Replica, cause: 'stop' | 'kill', stop?: OrderlyStop): () => void {
    const before = all.filter((w) => w.lostAt === undefined && isHeld(w))
    const told = whoCouldBeTold(replica)
    const near = replicas
      .filter((other) => other !== replica && other.loop !== undefined)
      .map((other) => pairOf(replica, other).intervals.at(-1))
    const { loop } = replica
    const wasMisled = misled(replica)
    world.lastLossAt = events.now
    const isAsking = stop === undefined || redisDownSince === undefined || redisDownSince > stop.askedAt - 200
    if (stop?.isComplete === true && settings.hasSpool && !isAsking && !wasMisled) notInSpool(replica)
    return () => {
      for (const w of before) {
        if (isHeld(w)) continue
        w.lostAt = events.now
        const words = `s${w.visitor.number}: ${w.kind}, r${replica.index}`
        story.say(`the ${w.kind} of s${w.visitor.number} is lost with r${replica.index} (${cause})`)
        const isOwn = w.by === replica && w.loop === loop
        // Whoever had taken it for us has gone since, or in the same moment: this ending is among them.
        const isAlone = world.endings.filter((at) => at >= w.at).length > 1
        if (settings.hasSpool && w.recorded.length === 0 && !wasMisled && !world.hasLostWrites)
          violation('lost-despite-a-spool', words)
        else if (
          isOwn &&
          w.isKept &&
          near.some((pair) => pair !== undefined && pair[1] < 0 && pair[0] <= w.at - 3_000)
        ) {
          violation('lost-although-a-peer-was-there', words)
        } else if (
          isOwn &&
          w.isKept &&
          w.recorded.length === 0 &&
          !isAlone &&
          !wasMisled &&
          !world.hasLostData &&
          !world.hasLostWrites
        ) {
          violation('answered-but-lost', words)
        } else if (cause === 'stop' && told !== '' && !wasMisled) violation('lost-by-orderly-stop', `${words}, ${told}`)
      }
    }
  }

  /** Somebody to whom a stopping replica could hand what it knows. */
  function whoCouldBeTold(replica: Replica): string {
    if (settings.hasSpool) return 'it had a spool'
    const contact = replica.contact.at(-1)
    if (contact !== undefined && contact[1] < 0 && events.now - contact[0] >= must.redis) return 'it reached Redis'
    for (const other of replicas) {
      if (other === replica || other.loop === undefined) continue
      const last = pairOf(replica, other).intervals.at(-1)
      if (last !== undefined && last[1] < 0 && events.now - last[0] >= must.peer) return `it reached r${other.index}`
    }
    return ''
  }

  // --- states written -------------------------------------------------------------------------------------------------

  function effects(server: Server, list: readonly Effect[], by: number, command: string): void {
    if (server !== servers.primary) {
      // Acknowledged by a server that will be forgotten.
      if (list.some(({ name }) => name === names.log || sessionOf(name) !== undefined)) world.hasLostWrites = true
      return
    }
    let isLog = false
    // A command is one step: what it wrote first and then again nobody has seen.
    for (const [name, entry] of new Map(list.map(({ name: key, entry: after }) => [key, after]))) {
      if (name === names.log) isLog = true
      const id = sessionOf(name)
      if (id === undefined || entry?.value.type !== 'string' || by < 0) continue
      const replica = replicas[by]
      const visitor = visitors.find((known) => known.id === id)
      const generation = generationOf(entry.value.bytes)
      if (replica !== undefined && visitor !== undefined && generation !== undefined) {
        stored(replica, visitor, generation, command)
      }
    }
    if (isLog) recheck()
  }

  /** Never a state that was withdrawn, recorded, and known to everybody who was there. */
  function stored(replica: Replica, visitor: Visitor, generation: number, command: string): void {
    visitor.storedAt ??= events.now
    if (!visitor.statesStored.has(generation)) visitor.statesStored.set(generation, events.now)
    for (const w of visitor.withdrawals) {
      if (generation >= w.floor || events.now <= w.at || w.isBackByItself) continue
      const wasRecorded = w.recorded.some(([from, to]) => (to < 0 ? events.now : to) - from >= 3_000)
      if (!wasRecorded) continue
      violation(
        'written-back',
        `s${visitor.number} generation ${generation} by r${replica.index} (${command}), ${events.now - w.at} ms after the ${w.kind}`,
      )
    }
  }

  // --- answers --------------------------------------------------------------------------------------------------------

  function granted(replica: Replica, visitor: Visitor, session: Session, from: string): void {
    counts.grants++
    noteRights(replica, visitor, session)
    const proof = events.now - Math.min(replica.heardAt, replica.tokenAt)
    if (from === 'near' && proof > proofLastsMs) {
      violation('near-without-proof', `s${visitor.number} at r${replica.index}, ${proof} ms after the last proof`)
    }
    if (from === 'near') behind(replica, visitor, session)
    const wall = epoch + events.now - session.tokenExpiresAt
    if (wall >= settings.maxStaleMs + 2 * settings.skewMs + marginMs) {
      violation(
        'rights-too-old',
        `s${visitor.number} generation ${session.generation} at r${replica.index} by ${from}, ${wall} ms after the token's end`,
      )
    }
    for (const w of visitor.withdrawals) {
      if (session.generation < w.floor && events.now > w.at) judge(replica, visitor, session, from, w)
    }
  }

  /** A near copy that answers alone is the state that counts, or was a moment ago. */
  function behind(replica: Replica, visitor: Visitor, { generation }: Session): void {
    if (!isWellKnown(replica) || world.hasLostWrites || world.hasLostData) return
    // A note that vanished leaves it to the age of the copy.
    if (events.now - replica.noteLostAt < trustForMs) return
    for (const [newer, at] of visitor.statesStored) {
      if (newer <= generation || events.now - at < 3_000) continue
      return violation(
        'near-behind',
        `s${visitor.number} at r${replica.index}: generation ${generation}, ${events.now - at} ms after ${newer} was stored`,
      )
    }
  }

  /** Whoever brings a genuine pass can leave, wherever their session lies. */
  function notEnded(replica: Replica, visitor: Visitor, hadPass: boolean): void {
    const pass = visitor.passes.at(-1)
    const { passMaxAgeMs } = settings
    if (!hadPass || pass === undefined || passMaxAgeMs === undefined || mayBeOver(visitor.account)) return
    if (visitor.withdrawals.length > 0 || events.now - pass.at >= passMaxAgeMs - 2 * settings.skewMs - marginMs) return
    violation('logout-without-a-record', `s${visitor.number} at r${replica.index}`)
  }

  function judge(replica: Replica, visitor: Visitor, session: Session, from: string, w: Withdrawn): void {
    const { now } = events
    const words = `s${visitor.number} generation ${session.generation} at r${replica.index} by ${from}, ${now - w.at} ms after the ${w.kind} at r${w.by.index}`
    const isKnown = knows(replica, w) !== undefined || (replica.met.get(visitor.id) ?? 0) > session.generation
    if (isKnown) return violation('against-own-knowledge', words)
    // It lies in its own spool: read before it answers anybody.
    if ((replica.file.get(w.recordedAs)?.floor ?? 0) >= w.floor) return violation('undone-by-a-start', words)
    const isStandIn = from === 'pass' || from === 'near_stale'
    for (const contact of replica.contact) {
      for (const recorded of w.recorded) {
        if (overlap(contact, recorded, replica.bornAt) >= must.redis) {
          return violation(isStandIn ? 'learnable-in-outage' : 'learnable', words)
        }
      }
    }
    for (const other of replicas) {
      if (other === replica || other.loop === undefined) continue
      const since = knows(other, w)
      if (since === undefined) continue
      for (const pair of pairOf(replica, other).intervals) {
        if (pair[0] < replica.bornAt || pair[0] < other.bornAt) continue
        if (overlap(pair, [since, -1], replica.bornAt) >= must.peer) return violation('learnable-from-peer', words)
      }
    }
    const blindMs = settings.passMaxAgeMs ?? settings.maxStaleMs
    const last = w.recorded.at(-1)
    const wasThere = w.isRecorded && last !== undefined && last[0] < replica.bornAt
    // What a peer has told it reaches as far as the peer knew: no further, and for no longer than that may count.
    const age = replica.cache?.outage.horizonAgeMs()
    const isTold = age !== undefined && age <= blindMs
    if (replica.bornAt > w.at && wasThere && from !== 'shared' && !isTold && !misled(replica)) {
      return violation('undone-by-a-start', words)
    }
    if (!w.isRecorded) {
      for (const other of replicas) {
        const since = knows(other, w)
        if (since === undefined) continue
        for (const contact of other.contact) {
          if (overlap(contact, [Math.max(since, w.unrecordedSince), -1], other.bornAt) >= must.redis) {
            return violation('not-recorded', `${words}; known at r${other.index}`)
          }
        }
      }
    }
    const end = ([, to]: Interval) => (to < 0 ? now : to)
    const heard = Math.max(
      replica.bornAt,
      visitor.begunAt,
      replica.heardAt,
      ...replica.contact.map(end),
      ...replicas.flatMap((other) => (other === replica ? [] : pairOf(replica, other).intervals.map(end))),
    )
    if (isStandIn && now - heard > blindMs + 2 * settings.skewMs + marginMs)
      return violation('exposed-for-too-long', words)
    counts.exposed++
    counts.longestExposureMs = Math.max(counts.longestExposureMs, now - w.at)
    return undefined
  }

  /** A state with fewer rights that was used must have been told: from then on the older ones are nobody's. */
  function noteRights(replica: Replica, visitor: Visitor, { generation, claims }: Session): void {
    if (visitor.rights.has(generation)) return
    const rights = rightsIn(claims)
    visitor.rights.set(generation, rights)
    const isLess = [...visitor.rights].some(([older, had]) => older < generation && had < rights)
    if (!isLess) return
    const { loop } = replica
    events.at(events.now + 4_000, () => {
      if (replica.loop !== loop || visitor.withdrawals.some(({ floor }) => floor > 1)) return
      violation(
        'loss-not-told',
        `s${visitor.number}: generation ${generation} lost a right, and r${replica.index} has told nobody`,
      )
    })
  }

  /** After a failover the driver leaves a demoted server when it refuses a write, and that at most every 5 s. */
  const isOnOtherServer = ({ link }: Replica) => {
    const server = link?.ends().data
    return server !== undefined && server !== servers.primary
  }

  const isWellKnown = (replica: Replica) => {
    const { reachSince, droppedAt } = replica
    if (reachSince === undefined || isOnOtherServer(replica)) return false
    return events.now - reachSince >= 6_000 && events.now - droppedAt >= 6_000
  }

  /** While others are waited for, or a newer state that was heard of, no token is refreshed: it may have been used. */
  const isWaiting = ({ cache, reseedingAt }: Replica, why: string, since: number) =>
    why === 'rights_too_old' &&
    (cache?.coherence().isReseeding === true || reseedingAt >= since || settings.maxStaleMs < newerComesWithinMs)

  function refused(replica: Replica, visitor: Visitor, { kind, why }: Refusal, hadPass: boolean, since: number): void {
    counts.refused[why] = (counts.refused[why] ?? 0) + 1
    const { withdrawals, isLeaving, isSuperseding, isDamaged, account, storedAt } = visitor
    if (withdrawals.length > 0 || isLeaving || isSuperseding || isDamaged || mayBeOver(account)) return
    if (misled(replica)) return
    const words = `s${visitor.number} at r${replica.index}: ${why}`
    if (isWaiting(replica, why, since)) return
    if (kind === 'absent') {
      if (storedAt === undefined || storedAt >= since || world.hasLostData || world.hasLostWrites || !hadPass) return
      violation('valid-refused', words)
    } else if (servers.primary.keys.has(names.session(visitor.id)) && isWellKnown(replica)) {
      violation(servers.primary.isFull ? 'valid-unavailable-while-full' : 'valid-unavailable', words)
    }
  }

  function stoodIn(replica: Replica, ground: string, result: string): void {
    if (ground === 'missing' || (result !== 'pass' && result !== 'near_stale')) return
    const { reachSince, droppedAt, cache } = replica
    // In use, and yet something stands in: others are waited for before copies are written back.
    if (ground === 'away' && cache?.health().redis.connected === true) return
    // Redis has answered everybody all the while: whoever thinks otherwise takes its own delay for Redis'.
    if (
      reachSince === undefined ||
      isOnOtherServer(replica) ||
      events.now - reachSince < 6_000 ||
      events.now - droppedAt < 3_000
    )
      return
    violation('own-delay-taken-for-an-outage', `r${replica.index}, ${ground}, ${result}`)
  }

  function reused({ subject }: Account): void {
    // Whoever used it could not tell the others: it has ended, is cut off, or Redis lost it or had no room for it.
    if (world.hasLostData || world.hasLostWrites || world.hasBeenFull || world.endings.length > 0) return
    if (!replicas.every(isWellKnown)) return
    violation('refresh-token-reused', `the refresh token of ${subject}`)
  }

  /** Whoever says that it knows all that was recorded up to a moment has to know it. */
  function horizons(): void {
    if (replicas.some(misled)) return
    for (const replica of replicas) {
      const age = replica.loop === undefined ? undefined : replica.cache?.outage.horizonAgeMs()
      if (age === undefined) continue
      const horizon = events.now - age
      // Learnt from a server of the past: nothing there told it so.
      if (horizon <= replica.unpinnedAt) continue
      for (const w of all) {
        const last = w.recorded.at(-1)
        if (!w.isRecorded || last === undefined || last[0] >= horizon || knows(replica, w) !== undefined) continue
        violation(
          'false-horizon',
          `r${replica.index} claims ${horizon}, s${w.visitor.number} was recorded at ${last[0]}`,
        )
      }
    }
  }

  function unrecorded(): void {
    for (const w of all) {
      if (w.isRecorded || events.now - w.unrecordedSince < must.redis) continue
      const holder = replicas.find((replica) => {
        const since = knows(replica, w)
        return since !== undefined && events.now - since >= must.redis && isWellKnown(replica)
      })
      if (holder === undefined) continue
      violation('not-recorded', `s${w.visitor.number}: ${w.kind}, known at r${holder.index}`)
    }
  }

  return {
    found: violations,
    counts,
    violation,
    contacts,
    dataChanged,
    effects,
    granted,
    refused,
    notEnded,
    stoodIn,
    reused,
    withdrawn,
    ending,
    misled,
    isWellKnown,
    isWaiting,
    isOnOtherServer,
    horizons,
    unrecorded,
  }
}
