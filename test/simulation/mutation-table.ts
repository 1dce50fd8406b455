// Rules of the protocol, each left out of the real code by a change of a line or two: the simulation has to notice every one.
// What nobody would miss is not known to be needed, and a test that misses it proves nothing.

/** `find` occurs exactly once in the file. */
export interface Edit {
  /** Below src/. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutation {
  /** What is done wrong now. */
  readonly name: string
  /** The rule that is left out (docs/architecture.md), or what it brings back. */
  readonly rule: string
  /** The kind of trouble that finds it soonest; undefined: chance. */
  readonly template: string | undefined
  /** The invariant that has to break, where others do sooner; undefined: any. */
  readonly breaks?: string
  readonly edits: readonly Edit[]
}

const heartbeat = 'cache/heartbeat.ts'
const redisCache = 'cache/redis-cache.ts'
const withdrawals = 'cache/withdrawals.ts'
const fallback = 'session/fallback.ts'
const sessionStore = 'session/session-store.ts'

export const mutations: readonly Mutation[] = [
  // --- A1: our own delay -----------------------------------------------------------------------------------------------
  {
    name: 'a deadline that fires gives up without another look into the socket',
    rule: 'look again (A1)',
    template: 'stalled',
    edits: [
      {
        file: 'store/with-timeout.ts',
        find: 'const dueAt = stopwatch() + limitMs',
        replace: 'const dueAt = stopwatch() + limitMs\n    nextTurn = (task) => task()',
      },
    ],
  },
  // --- A2: what was never learnt ---------------------------------------------------------------------------------------
  {
    name: 'a replica that knows of no withdrawal yet honours passes',
    rule: 'blind (A2)',
    template: 'upgrade',
    edits: [
      {
        file: fallback,
        find: "return isYounger ? { kind: 'found'",
        replace: "return isYounger || session.expiresAt > 0 ? { kind: 'found'",
      },
    ],
  },
  {
    name: 'a replica honours passes however long ago it last heard of withdrawals',
    rule: 'horizon (A2)',
    template: 'island',
    edits: [
      {
        file: fallback,
        find: 'horizonAgeMs !== undefined && horizonAgeMs <= exposureMs',
        replace: 'horizonAgeMs !== undefined',
      },
    ],
  },
  {
    name: 'what a beat brings is not taken in, and counts as known',
    rule: 'pull with every beat (A2)',
    template: 'missed',
    edits: [
      {
        file: heartbeat,
        find: 'for (const entry of reply.entries ?? []) floors.raise(entry, true)',
        replace: '',
      },
    ],
  },
  {
    name: 'the horizon is the moment of the answer, not that of the question',
    rule: 'horizon (A2)',
    template: 'slowAndDeaf',
    edits: [{ file: heartbeat, find: 'learnt(sentAt)', replace: 'learnt(stopwatch())' }],
  },
  {
    name: "a peer's horizon counts as if it knew everything now",
    rule: 'peers (A2)',
    template: 'island',
    edits: [
      {
        file: 'cache/peers.ts',
        find: 'parts.learnt(sentAt - reply.horizonAgeMs)',
        replace: 'parts.learnt(stopwatch())',
      },
    ],
  },
  // --- A3: older rights ------------------------------------------------------------------------------------------------
  {
    name: 'a pass counts although its state was withdrawn',
    rule: 'floor on passes and copies (A3)',
    template: 'missed',
    edits: [
      {
        file: fallback,
        find: "if (session.generation < floors.of(session.id)) return { kind: 'none' }",
        replace: '',
      },
      {
        file: fallback,
        find: 'return session.generation >= floors.of(session.id) && clock()',
        replace: 'return clock()',
      },
    ],
  },
  {
    name: 'rights count until the session ends, however long ago the token ended',
    rule: "rights' age (A3)",
    template: 'silence',
    edits: [
      {
        file: 'session/lifetimes.ts',
        find: 'rightsEnd: (session) => Math.min(endOf(session), session.tokenExpiresAt + maxStaleMs),',
        replace: 'rightsEnd: endOf,',
      },
    ],
  },
  {
    name: 'a refresh that takes a right away tells nobody',
    rule: "rights' floor (A3)",
    template: 'missed',
    edits: [
      {
        file: sessionStore,
        find: 'JSON.stringify(a.claims) === JSON.stringify(b.claims)',
        replace: 'a.subject === b.subject',
      },
    ],
  },
  {
    name: 'a copy that was read while its session was withdrawn is kept near',
    rule: 'floor on passes and copies (A3)',
    template: 'overtaken',
    edits: [
      {
        file: 'session/sessions.ts',
        find: 'near.deleteBelow(id, floor)\n    sessionStore.overtakeReads(id)',
        replace: 'near.deleteBelow(id, floor)',
      },
      { file: 'session/near-cache.ts', find: 'if (session.generation < floorOf(ticket.id)) return entry', replace: '' },
    ],
  },
  {
    name: 'a stored state below its floor is served',
    rule: 'floor on stored values (A3)',
    template: 'lostLast',
    edits: [
      {
        file: 'session/lookup.ts',
        find: "if (entry.session.generation < floors.of(ticket.id)) return 'below-floor'",
        replace: '',
      },
    ],
  },
  {
    name: 'near copies stay when their state is withdrawn',
    rule: 'floor on passes and copies (S1)',
    template: undefined,
    edits: [{ file: 'session/sessions.ts', find: 'near.deleteBelow(id, floor)', replace: '' }],
  },
  // --- A5: refusals ----------------------------------------------------------------------------------------------------
  {
    name: 'a refused write counts as a failure of Redis',
    rule: 'refusals apart (A5)',
    template: 'full',
    edits: [
      { file: 'cache/guarded.ts', find: "if (method !== 'get' && isRefusal(error)) return undefined", replace: '' },
    ],
  },
  {
    name: 'withdrawals wait behind the circuit, which refused writes open',
    rule: 'withdrawal unguarded (A5)',
    template: 'full',
    breaks: 'not-kept',
    edits: [
      { file: 'cache/guarded.ts', find: "if (method !== 'get' && isRefusal(error)) return undefined", replace: '' },
      {
        file: redisCache,
        find: 'log: link.log,\n    rawStore,\n    peers,',
        replace: `log: {
      ...link.log,
      append: (list) =>
        guard.circuit() === 'closed' ? link.log.append(list) : Promise.reject(new StoreUnavailable('open')),
    },
    rawStore: guard,
    peers,`,
      },
    ],
  },
  {
    name: 'a refused entry of the journal is given up',
    rule: 'refused entries retried (A5)',
    template: 'full',
    edits: [
      {
        file: 'cache/journal.ts',
        find: 'if (error instanceof StoreUnavailable && isRefusal(error)) continue\n          throw error',
        replace: 'if (!(error instanceof StoreUnavailable && isRefusal(error))) throw error',
      },
    ],
  },
  // --- A6: re-seeding --------------------------------------------------------------------------------------------------
  {
    name: 'near copies that nobody confirmed up to the loss are written back',
    rule: 'only proven copies re-seeded (A6)',
    template: 'longRoad',
    edits: [
      {
        file: 'cache/reseeding.ts',
        find: '>= lostAt - coverMs',
        replace: '>= Number.NEGATIVE_INFINITY && lostAt >= 0',
      },
    ],
  },
  {
    name: 'near copies are written back before the others were heard',
    rule: 'corroborated re-seeding (A6)',
    template: 'unproven',
    edits: [
      {
        file: 'cache/reseeding.ts',
        find: 'return [...awaited].filter((replica) => !back.has(replica))',
        replace: 'return [...awaited].filter((replica) => !back.has(replica) && replica === "")',
      },
    ],
  },
  {
    name: 'a replica that has something to tell yet counts as heard',
    rule: 'position posted and clean (A6)',
    template: 'longRoad',
    edits: [
      {
        file: 'cache/reseeding.ts',
        find: 'at > serverTime && clean && position',
        replace: 'at > serverTime && position',
      },
    ],
  },
  {
    name: 'a replica counts as heard by a position of before the loss',
    rule: 'position posted and clean (A6)',
    template: 'longRoad',
    edits: [
      {
        file: 'cache/reseeding.ts',
        find: 'if (at > serverTime && clean && position !== undefined && trail.includes(position))',
        replace: 'if (at > serverTime)',
      },
    ],
  },
  {
    name: 'once those who were there have been gone for long enough, copies of before are written back',
    rule: 'corroborated re-seeding (A6)',
    template: 'unproven',
    edits: [
      {
        file: heartbeat,
        find: 'parts.dropUnproven(current.since)\n      return',
        replace: 'await parts.reseed((confirmedAt) => isProven(current, confirmedAt))\n      return',
      },
    ],
  },
  // --- A7: what one process knows --------------------------------------------------------------------------------------
  {
    name: 'an orderly stop hands nothing over',
    rule: 'handover (A7)',
    template: 'blackout',
    edits: [{ file: redisCache, find: 'await withdrawals.handOver(isInStep)', replace: 'isInStep' }],
  },
  {
    name: 'a withdrawal is answered as done although nobody else has it',
    rule: 'S5 (A7)',
    template: 'alone',
    edits: [{ file: withdrawals, find: '    return isKept\n', replace: '    return isKept || limitMs > 0\n' }],
  },
  {
    name: 'the spool is not written where a peer has taken the withdrawal',
    rule: 'spool (A7)',
    template: 'blackout',
    edits: [{ file: withdrawals, find: 'if (!isInRedis) isKept', replace: 'if (!isInRedis && !isKept) isKept' }],
  },
  {
    name: 'what lies in the spool is not read at a start',
    rule: 'spool (A7)',
    template: 'blackout',
    edits: [
      {
        file: redisCache,
        find: 'floors.raise(left, false, left.expiresAt)',
        replace: 'void left',
      },
    ],
  },
  {
    name: 'an orderly stop hands over only what was never in the log, though Redis cannot be asked',
    rule: 'handover (A7)',
    template: 'blackout',
    edits: [
      {
        file: withdrawals,
        find: 'isInStep ? floors.unlogged(Number.MAX_SAFE_INTEGER) : floors.all()',
        replace: 'floors.unlogged(Number.MAX_SAFE_INTEGER)',
      },
    ],
  },
  // --- A8: one bad key -------------------------------------------------------------------------------------------------
  {
    name: 'a near copy that cannot be written back breaks off all of it',
    rule: 'one bad key isolated (A8)',
    template: 'damaged',
    edits: [
      {
        file: sessionStore,
        find: "if (error instanceof StoreValueRejected) return 'not-needed'",
        replace: '',
      },
    ],
  },
  {
    name: 'an entry of the journal that can never be written stops the others',
    rule: 'one bad key isolated (A8)',
    template: 'damaged',
    edits: [
      {
        file: 'cache/journal.ts',
        find: 'if (!(error instanceof StoreValueRejected)) throw error\n      dropped',
        replace: 'throw error\n      dropped',
      },
    ],
  },
  // --- the history -----------------------------------------------------------------------------------------------------
  {
    name: 'an emptied or rolled-back log is told by its counter alone',
    rule: 'chain instead of counter',
    template: 'lostTwo',
    edits: [
      { file: 'cache/history.ts', find: 'return chain === head.chain ? steps : undefined', replace: 'return steps' },
    ],
  },
  {
    name: 'the position moves before the log has been read',
    rule: 'position forgotten before a load',
    template: 'halfRead',
    breaks: 'false-horizon',
    edits: [
      {
        file: heartbeat,
        find: 'position = undefined\n    clean = false',
        replace: 'position = head\n    clean = false',
      },
    ],
  },
  {
    name: 'a log that is read anew is not taken in',
    rule: 'floors read from the log are remembered (f503c6f)',
    template: 'upgrade',
    edits: [
      {
        file: heartbeat,
        find: 'await readPages(0, head.n, (entry) => floors.raise(entry, true))',
        replace: 'await readPages(0, head.n, () => undefined)',
      },
    ],
  },
  {
    name: 'floors count as logged in a log that lacks them',
    rule: 'everyone writes back',
    template: 'lostLast',
    edits: [{ file: heartbeat, find: 'floors.nothingIsLogged()', replace: '' }],
  },
  {
    name: 'a withdrawal counts as logged once it was sent',
    rule: 'seen by pull, not by acknowledgement',
    template: 'lostLast',
    edits: [
      {
        file: withdrawals,
        find: 'await Promise.all([log.append([withdrawal]), mark(withdrawal, expiresAt)])',
        replace:
          'await Promise.all([log.append([withdrawal]), mark(withdrawal, expiresAt)])\n      floors.raise(withdrawal, true)',
      },
    ],
  },
  {
    name: 'a withdrawal that was heard of counts as logged',
    rule: 'everyone writes back',
    template: 'lastWords',
    edits: [
      {
        file: redisCache,
        find: 'floors.raise({ id: note.id, floor: note.number }, false)',
        replace: 'floors.raise({ id: note.id, floor: note.number }, true)',
      },
    ],
  },
  {
    name: 'a login of the outage is written although it was withdrawn meanwhile',
    rule: 'the mark decides over a late login (2dba73c)',
    template: 'lateLogin',
    edits: [
      {
        file: sessionStore,
        find: "const result = isWithdrawn ? 'marked' : await seed(id, session, value, storedTtl(session))",
        replace:
          "await store.set(sessionKey(id), value, storedTtl(session))\n        const result = isWithdrawn && value.length === 0 ? 'marked' : 'written'",
      },
    ],
  },
  {
    name: 'a mark that was met is not remembered',
    rule: 'marks are remembered (f503c6f)',
    template: 'lateLogin',
    edits: [
      {
        file: sessionStore,
        find: "if (result === 'marked') floors.raise({ id, floor: session.generation + 1 }, false, session.expiresAt)",
        replace: '',
      },
    ],
  },
  {
    name: 'near copies stay confirmed when notes were missed',
    rule: 'near copies go where notes could be missed (a3017b1)',
    template: 'missed',
    edits: [
      {
        file: heartbeat,
        find: 'tokenAt = Number.NEGATIVE_INFINITY\n      parts.unconfirmAll()',
        replace: '',
      },
      {
        file: redisCache,
        find: "copies.unconfirmAll()\n    step({ what: 'recovered' })",
        replace: "step({ what: 'recovered' })",
      },
    ],
  },
  {
    name: 'near copies answer alone for a minute after the last proof',
    rule: 'near copies answer alone for 2 s after the last proof (L4)',
    template: 'missed',
    edits: [{ file: heartbeat, find: 'const proofLastsMs = 2_000', replace: 'const proofLastsMs = 60_000' }],
  },
  {
    name: 'near copies are trusted by beats alone, though no token comes back',
    rule: 'the token comes back',
    template: 'slowAndDeaf',
    edits: [
      { file: heartbeat, find: 'Math.min(syncedAt, tokenAt) + proofLastsMs', replace: 'syncedAt + proofLastsMs' },
    ],
  },
  {
    name: 'a subscription that hears nothing is kept',
    rule: 'the token comes back',
    template: 'slowAndDeaf',
    edits: [{ file: heartbeat, find: 'if (!stopped) parts.onDeaf()', replace: '' }],
  },
  {
    name: 'a Redis that forgot our last beat has lost nothing',
    rule: 'own token missing',
    template: 'oldSnapshot',
    edits: [
      {
        file: heartbeat,
        find: 'if (posted !== undefined && (own === undefined || own.token < posted)) writesLost(serverTime)',
        replace: 'void own',
      },
    ],
  },
  {
    name: 'what was written shortly before a loss is not offered again',
    rule: 'recent writes offered again',
    template: 'lostLogin',
    edits: [
      {
        file: sessionStore,
        find: 'at > lostAt - recentMs',
        replace: 'at > lostAt + recentMs',
      },
    ],
  },
  {
    name: 'neither own token nor recent writes',
    rule: 'recent writes offered again',
    template: 'lostLogin',
    edits: [
      {
        file: heartbeat,
        find: 'if (posted !== undefined && (own === undefined || own.token < posted)) writesLost(serverTime)',
        replace: 'void own',
      },
      {
        file: sessionStore,
        find: 'at > lostAt - recentMs',
        replace: 'at > lostAt + recentMs',
      },
    ],
  },
  {
    name: 'a miss counts while copies are still to be written back',
    rule: 'misses wait with re-seeding',
    template: 'longWait',
    edits: [
      {
        file: redisCache,
        find: "isAway: () => availability.at !== 'well' || heartbeat.isReseeding",
        replace: "isAway: () => availability.at !== 'well'",
      },
      {
        file: redisCache,
        find: "availability.at !== 'well' || stopwatch() < availability.missCountsFrom || heartbeat.isReseeding",
        replace: "availability.at !== 'well' || stopwatch() < availability.missCountsFrom",
      },
    ],
  },
  {
    name: 'a miss counts as soon as Redis is back',
    rule: 'settling after a recovery',
    template: 'unproven',
    edits: [{ file: 'cache/availability.ts', find: 'state.everWell ? now + settleMs : 0', replace: '0' }],
  },
  {
    name: 'work that outlives a request waits no longer than the request may',
    rule: 'L3',
    template: 'silence',
    edits: [
      {
        file: 'cache/request-budget.ts',
        find: 'outside: (task) => requests.exit(task)',
        replace: 'outside: (task) => task()',
      },
    ],
  },
  {
    name: "another replica's state is taken over though its token has ended",
    rule: 'L1',
    template: undefined,
    edits: [
      {
        file: 'session/refresh.ts',
        find: 'stored.generation > known.generation && deps.clock() < stored.tokenExpiresAt',
        replace: 'stored.generation > known.generation',
      },
    ],
  },
  {
    name: 'every replica refreshes for itself',
    rule: 'one refresh per session',
    template: undefined,
    edits: [
      {
        file: 'session/lease.ts',
        find: "if (!(await store.add(key, owner, ttlMs, 'even-when-full'))) return undefined",
        replace: "await store.add(key, owner, ttlMs, 'even-when-full')",
      },
    ],
  },
  {
    name: 'a copy is written back although a newer state was heard of',
    rule: 'S4',
    template: undefined,
    edits: [
      {
        file: sessionStore,
        find: 'Math.max(heardOf, floors.of(session.id))',
        replace: 'Math.max(heardOf * 0, floors.of(session.id))',
      },
    ],
  },
  {
    name: 'beats wait for the circuit',
    rule: 'beat unguarded',
    template: 'silence',
    edits: [
      { file: redisCache, find: "isConnected: () => link.status() === 'up',", replace: 'isConnected: isReachable,' },
    ],
  },
  {
    name: 'peers are told with the next exchange only',
    rule: 'push to peers',
    template: 'alone',
    edits: [
      {
        file: withdrawals,
        find: 'void peers.push(() => resolve(true)).then(() => resolve(false))',
        replace: 'resolve(false)',
      },
    ],
  },
  {
    name: 'a replica that stops is forgotten by the others although Redis lacks what it knows',
    rule: 'handover (A7)',
    template: 'upgrade',
    edits: [
      {
        file: redisCache,
        find: 'if (isInStep && floors.unloggedCount === 0) await link',
        replace: 'await link',
      },
    ],
  },
]
