// What is written back after a loss, and what must outlive one process.
import type { Mutation } from '../mutation-table.ts'

const redisCache = 'cache/redis-cache.ts'
const withdrawals = 'cache/withdrawals.ts'

export const lossMutations: readonly Mutation[] = [
  // --- A6: re-seeding --------------------------------------------------------------------------------------------------
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
        file: 'cache/reseeder.ts',
        find: 'dropUnproven(planned.since)',
        replace: 'await reseed((confirmedAt) => isProven(planned, confirmedAt))',
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
    edits: [{ file: withdrawals, find: 'if (!isInRedis) {', replace: 'if (!isInRedis && !isKept) {' }],
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
        file: 'session/session-write-back.ts',
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
]
