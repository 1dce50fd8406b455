import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createWithdrawn } from '../../src/session/withdrawn.ts'
import { createSealer } from '../../src/sealing.ts'
import { createFallback } from '../../src/session/fallback.ts'
import { createNearCache } from '../../src/session/near-cache.ts'
import { createPasses, maxPassLength } from '../../src/session/pass.ts'
import type { Session } from '../../src/session/session.ts'
import { newTicket } from '../../src/session/ticket.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { createFakeCache } from '../fixtures/fake-cache.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aSession } from '../fixtures/session.ts'
import { carried, encryptionKey, hour, lifetimesOf, minute, runtimeOf } from './world.ts'

const seconds = 1_000

interface Situation {
  /** False: no copy near; 'guessed': one that the secret presented does not fit. */
  readonly copy?: boolean | 'guessed'
  /** The generation of the pass that is presented; false: none is. */
  readonly pass?: number | false | 'of another'
  /** With `outage.pass` off. */
  readonly passesOff?: boolean
  /** The session began this long after this process (ms). */
  readonly begunAfterStart?: number
  readonly session?: Partial<Session>
  /** How long after the copy was confirmed. */
  readonly after?: number
  /** The pass was issued just now, by a replica that knows more. */
  readonly passIsNew?: boolean
  /** undefined: blind. */
  readonly horizonAge?: number | undefined
  readonly floor?: number
  readonly idleTimeout?: number
}

/** A session of generation 2 whose token lives for a day, and a replica that knows nothing newer and misses nothing. */
function inSituation(situation: Situation) {
  const {
    copy = true,
    pass = 2,
    passesOff = false,
    begunAfterStart = minute,
    after = 0,
    floor,
    idleTimeout,
  } = situation
  const time = fakeTime()
  const runtime = runtimeOf(time, recordedLog())
  const { clock, stopwatch, metrics } = runtime
  const cache = createFakeCache({ clock, stopwatch })
  const lifetimes = lifetimesOf(clock, { idleTimeoutMs: idleTimeout })
  const withdrawn = createWithdrawn(cache.floors, () => false)
  const near = createNearCache({
    limits: { maxItems: undefined, maxBytes: 1_000_000 },
    lifetimes,
    isWithdrawn: withdrawn.is,
    tagsOf: () => [],
    shared: true,
    runtime,
  })
  const ticket = newTicket(randomBytes)
  const createdAt = clock() + begunAfterStart
  time.advance(Math.max(0, begunAfterStart))
  const session = aSession({
    id: ticket.id,
    createdAt,
    expiresAt: clock() + 25 * hour,
    tokenExpiresAt: clock() + 24 * hour,
    refreshAt: clock() + 23 * hour,
    refreshable: true,
    generation: 2,
    ...situation.session,
  })
  const sealer = createSealer([encryptionKey], 'pass', randomBytes)
  const passes = createPasses({
    isOurs: () => true,
    sealer,
    clock,
    maxAgeMs: 8 * hour,
    sessionMaxAgeMs: 7 * 24 * hour,
    maxLength: maxPassLength,
  })
  const passOf = (generation: number) => passes.issue({ ...session, generation }, ticket)
  const early = typeof pass === 'number' ? passOf(pass) : undefined
  if (copy !== false) {
    const secret = copy === 'guessed' ? newTicket(randomBytes).secret : ticket.secret
    near.adopt({ ...ticket, secret }, session, Buffer.from('sealed'))
  }
  if (floor !== undefined) cache.floors.raise({ id: ticket.id, floor }, true)
  time.advance(after)
  cache.goAway()
  if ('horizonAge' in situation) {
    cache.horizon = situation.horizonAge === undefined ? undefined : stopwatch() - situation.horizonAge
  }
  const passHonoured = { value: 0 }
  const fallback = createFallback({
    cache,
    near,
    withdrawn,
    passes: passesOff ? undefined : passes,
    lifetimes,
    maxStaleMs: 10 * minute,
    passMaxAgeMs: passesOff ? undefined : 8 * hour,
    passHonoured,
    metrics,
    clock,
    stopwatch,
  })
  const presented =
    pass === 'of another'
      ? passes.issue(session, newTicket(randomBytes))
      : typeof pass === 'number' && situation.passIsNew === true
        ? passOf(pass)
        : early
  const answer = fallback.answer(ticket, carried(presented), 'away')
  const result = answer.kind === 'found' ? answer.from : answer.kind === 'none' ? 'none' : answer.reason
  return { answer, result, session, metrics, passHonoured, near, ticket, clock, fallback, time, passes }
}

const short = (tokenLife: number): Pick<Situation, 'session'> => ({
  session: { tokenExpiresAt: fakeTime().clock() + minute + tokenLife },
})

const situations: [name: string, situation: Situation, result: string][] = [
  ['a copy goes before a pass', {}, 'near_stale'],
  ['a copy alone', { pass: false }, 'near_stale'],
  ['a pass alone', { copy: false }, 'pass'],
  ['neither', { copy: false, pass: false }, 'none'],
  ['a copy that the presented secret does not fit', { copy: 'guessed', pass: false }, 'none'],
  ['a pass of another ticket', { copy: false, pass: 'of another' }, 'none'],
  ['a pass where passes are off', { copy: false, passesOff: true }, 'none'],

  // Rights: until the token's end + maxStale (10 min).
  ['a copy, a moment before its rights end', { ...short(minute), after: 11 * minute - 1, pass: false }, 'near_stale'],
  ['a copy, when its rights end', { ...short(minute), after: 11 * minute, pass: false }, 'none'],
  ['copy and pass, when their rights end', { ...short(minute), after: 11 * minute }, 'rights_too_old'],
  ['a pass, a moment before its rights end', { ...short(minute), after: 11 * minute - 1, copy: false }, 'pass'],
  ['a pass, when its rights end', { ...short(minute), after: 11 * minute, copy: false }, 'rights_too_old'],
  [
    'a session that cannot be refreshed, a moment before its token ends',
    { session: { ...short(minute).session, refreshable: false }, after: minute - 1 },
    'near_stale',
  ],
  [
    'a session that cannot be refreshed, when its token ends: it is over, not unproven',
    { session: { ...short(minute).session, refreshable: false }, after: minute },
    'none',
  ],
  [
    'a session at its own end',
    { session: { expiresAt: fakeTime().clock() + 2 * minute }, after: minute, passIsNew: true },
    'none',
  ],

  // Withdrawals: nothing below a known floor.
  ['copy and pass at the floor', { floor: 2 }, 'near_stale'],
  ['copy and pass below the floor: with other rights, which nobody here knows', { floor: 3 }, 'superseded'],
  ['a pass at the floor', { floor: 2, copy: false }, 'pass'],
  ['a pass below the floor', { floor: 3, copy: false }, 'superseded'],
  ['a copy below the floor', { floor: 3, pass: false }, 'none'],
  ['a newer pass where the copy is below the floor', { floor: 3, pass: 3 }, 'pass'],
  ['after a logout: nobody’s, not even unproven', { floor: everyGeneration }, 'revoked'],
  ['a pass of a logout', { floor: everyGeneration, copy: false }, 'revoked'],
  [
    'a pass below the floor whose rights have ended',
    { floor: 3, ...short(minute), after: hour, copy: false },
    'superseded',
  ],

  // Knowing: the horizon no older than passMaxAge (8 h), or the copy's own confirmation.
  ['a copy under a horizon of 8 h', { horizonAge: 8 * hour, after: 9 * hour }, 'near_stale'],
  ['a copy under an older one', { horizonAge: 8 * hour + 1, after: 9 * hour, pass: false }, 'none'],
  ['a copy under an older one, itself confirmed 8 h ago', { horizonAge: 9 * hour, after: 8 * hour }, 'near_stale'],
  ['a pass under a horizon of 8 h', { horizonAge: 8 * hour, after: 9 * hour, copy: false, passIsNew: true }, 'pass'],
  [
    'a pass under an older one',
    { horizonAge: 8 * hour + 1, after: 9 * hour, copy: false, passIsNew: true },
    'horizon_too_old',
  ],
  ['copy and pass under an older one', { horizonAge: 9 * hour, after: 9 * hour, passIsNew: true }, 'horizon_too_old'],
  ['a pass that is older than 8 h itself', { after: 8 * hour, copy: false }, 'none'],
  [
    'where rights and horizon are too old, the rights are the reason',
    { ...short(minute), horizonAge: 9 * hour, after: hour, copy: false },
    'rights_too_old',
  ],

  // Without passes: maxStale (10 min).
  [
    'passes off: a copy under a horizon of 10 min',
    { passesOff: true, horizonAge: 10 * minute, after: hour },
    'near_stale',
  ],
  ['passes off: a copy under an older one', { passesOff: true, horizonAge: 10 * minute + 1, after: hour }, 'none'],
  [
    'passes off: a copy under an older one, itself confirmed 10 min ago',
    { passesOff: true, horizonAge: hour, after: 10 * minute },
    'near_stale',
  ],

  // Blind: only what began after the start of this process, clocks being up to 5 s apart.
  ['blind: a copy that is confirmed', { horizonAge: undefined, pass: false }, 'near_stale'],
  [
    'blind: a copy that was confirmed too long ago',
    { horizonAge: undefined, after: 8 * hour + 1, pass: false },
    'none',
  ],
  ['blind: a pass of a session from before', { horizonAge: undefined, copy: false, begunAfterStart: -minute }, 'blind'],
  [
    'blind: a pass of a session that began 5 s after the start',
    { horizonAge: undefined, copy: false, begunAfterStart: 5 * seconds },
    'pass',
  ],
  ['blind: a moment sooner', { horizonAge: undefined, copy: false, begunAfterStart: 5 * seconds - 1 }, 'blind'],
  [
    'blind: a session that began after the start, for as long as passMaxAge',
    { horizonAge: undefined, copy: false, after: 8 * hour, passIsNew: true },
    'pass',
  ],
  [
    'blind: and no longer, however new its pass',
    { horizonAge: undefined, copy: false, after: 8 * hour + 1, passIsNew: true },
    'blind',
  ],
  ['blind: a pass below a floor that is known', { horizonAge: undefined, copy: false, floor: 3 }, 'superseded'],

  // Idleness.
  [
    'a copy in use until a moment before its idle end',
    { idleTimeout: hour, after: hour - 1, pass: false },
    'near_stale',
  ],
  ['a copy at its idle end', { idleTimeout: hour, after: hour, pass: false }, 'none'],
]
for (const [name, situation, expected] of situations) {
  test(`${name}: ${expected}`, () => {
    const { answer, result, session, metrics, passHonoured } = inSituation(situation)
    assert.equal(result, expected)
    assert.equal(metrics.standIns.labels({ ground: 'away', result: expected }).value, 1)
    assert.equal(passHonoured.value, expected === 'pass' ? 1 : 0)
    // Whose it is, also where it does not count: for a logout.
    if ('session' in answer) assert.equal(answer.session?.id, session.id)
  })
}

test('who is let in by a copy is not idle', () => {
  const { near, ticket, clock } = inSituation({ after: minute })
  assert.equal(near.get(ticket.id)?.lastSeenAt, clock())
})

test('a pass says for maxStale that its session was not written when it was issued', () => {
  const { fallback, passes, session, ticket, time } = inSituation({})
  const unwritten = passes.issue(session, ticket, true)
  assert.equal(fallback.isUnwritten(carried(unwritten), ticket), true)
  assert.equal(fallback.isUnwritten(carried(passes.issue(session, ticket)), ticket), false)
  assert.equal(fallback.isUnwritten(carried(unwritten), newTicket(randomBytes)), false)
  assert.equal(fallback.isUnwritten([], ticket), false)
  time.advance(10 * minute)
  assert.equal(fallback.isUnwritten(carried(unwritten), ticket), false)
})
