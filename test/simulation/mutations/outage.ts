// What may stand in while Redis is away or takes no writes.
import type { Mutation } from '../mutation-table.ts'

const heartbeat = 'cache/heartbeat.ts'
const redisCache = 'cache/redis-cache.ts'
const fallback = 'session/fallback.ts'

export const outageMutations: readonly Mutation[] = [
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
        file: 'cache/log-reader.ts',
        find: 'for (const entry of reply.entries ?? []) learn(entry, reply)',
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
        find: "if (withdrawn.is(session)) return { kind: 'unproven', reason: 'superseded', session }",
        replace: '',
      },
      {
        file: fallback,
        find: 'return !withdrawn.is(session) && clock()',
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
        file: 'session/same-identity.ts',
        find: 'inOrder(a.claims) === inOrder(b.claims)',
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
        find: 'reader.overtakeReads(id)\n    signals.raise(id)\n    watch',
        replace: 'signals.raise(id)\n    watch',
      },
      { file: 'session/near-cache.ts', find: 'if (isWithdrawn(session)) return entry', replace: '' },
    ],
  },
  {
    name: 'a stored state below its floor is served',
    rule: 'floor on stored values (A3)',
    template: 'lostLast',
    edits: [
      {
        file: 'session/lookup.ts',
        find: "if (withdrawn.is(session)) return { kind: 'below-floor', session }",
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
        find: 'import { createWithdrawals }',
        replace: "import { StoreUnavailable } from '../errors.ts'\nimport { createWithdrawals }",
      },
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
]
