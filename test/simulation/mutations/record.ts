// The record of withdrawals, the proof that notes arrive, and who refreshes.
import type { Mutation } from '../mutation-table.ts'

const heartbeat = 'cache/heartbeat.ts'
const logReader = 'cache/log-reader.ts'
const proof = 'cache/proof.ts'
const redisCache = 'cache/redis-cache.ts'
const withdrawals = 'cache/withdrawals.ts'

export const recordMutations: readonly Mutation[] = [
  // --- races of the history ---------------------------------------------------------------------------------------------
  {
    name: 'near copies answer alone as before once notes come again, whatever was missed meanwhile',
    rule: 'notes missed: unconfirmed (the race of a3017b1)',
    template: 'missedRefresh',
    edits: [
      {
        file: heartbeat,
        find: 'proof.notesMissed()\n      parts.unconfirmAll()',
        replace: 'proof.notesMissed()',
      },
      { file: heartbeat, find: 'parts.unconfirmAll()\n      void pull()', replace: 'void pull()' },
    ],
  },
  {
    name: 'a mark that was met on writing is forgotten at once',
    rule: 'a met mark is a floor (the race of f503c6f)',
    template: 'markAlone',
    edits: [
      {
        file: 'session/set-unless-withdrawn.ts',
        find: "if (result === 'marked') await learnMark(mark, session)",
        replace: '',
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
    edits: [{ file: logReader, find: 'position = undefined\n', replace: 'position = head\n' }],
  },
  {
    name: 'a log that is read anew is not taken in',
    rule: 'floors read from the log are remembered (f503c6f)',
    template: 'upgrade',
    edits: [
      {
        file: logReader,
        find: 'await readPages(0, head.n, (entry) => learn(entry, reply))',
        replace: 'await readPages(0, head.n, () => undefined)',
      },
    ],
  },
  {
    name: 'floors count as logged in a log that lacks them',
    rule: 'everyone writes back',
    template: 'lostLast',
    edits: [{ file: logReader, find: 'floors.nothingIsLogged()', replace: '' }],
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
        file: 'session/session-writer.ts',
        find: "const result = isWithdrawn(session) ? 'marked' : await setUnlessWithdrawn(session, value, storedTtl(session))",
        replace:
          "await store.set(sessionKey(id), value, storedTtl(session))\n        const result = value.length === 0 ? 'marked' : 'written'",
      },
    ],
  },
  {
    name: 'near copies answer alone for a minute after the last proof',
    rule: 'near copies answer alone for 2 s after the last proof (L4)',
    template: 'missed',
    edits: [{ file: proof, find: 'const proofLastsMs = 2_000', replace: 'const proofLastsMs = 60_000' }],
  },
  {
    name: 'near copies are trusted by beats alone, though no token comes back',
    rule: 'the token comes back',
    template: 'slowAndDeaf',
    edits: [{ file: proof, find: 'Math.min(syncedAt, tokenAt) + proofLastsMs', replace: 'syncedAt + proofLastsMs' }],
  },
  {
    name: 'a subscription that hears nothing is kept',
    rule: 'the token comes back',
    template: 'slowAndDeaf',
    edits: [
      {
        file: heartbeat,
        find: 'if (proof.giveUp(token) && !stopped) parts.onDeaf()',
        replace: 'void proof.giveUp(token)',
      },
    ],
  },
  {
    name: 'a Redis that forgot our last beat has lost nothing',
    rule: 'own token missing',
    template: 'oldSnapshot',
    edits: [
      {
        file: 'cache/losses.ts',
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
        file: 'session/recent-writes.ts',
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
        find: 'isAway: () => !recovery.isWell() || heartbeat.isReseeding',
        replace: 'isAway: () => !recovery.isWell()',
      },
      {
        file: redisCache,
        find: 'missProvesNothing: () => recovery.isUnsettled() || heartbeat.isReseeding',
        replace: 'missProvesNothing: () => recovery.isUnsettled()',
      },
    ],
  },
  {
    name: 'work that outlives a request waits no longer than the request may',
    rule: 'L3',
    template: undefined,
    edits: [
      {
        file: 'cache/request-budget.ts',
        find: 'outside: (task) => requests.exit(task)',
        replace: 'outside: (task) => task()',
      },
    ],
  },
  {
    name: 'every replica refreshes for itself',
    rule: 'one refresh per session',
    template: undefined,
    edits: [
      {
        file: 'cache/lease.ts',
        find: "if (!(await store.add(key, owner, ttlMs, 'even-when-full'))) return undefined",
        replace: "await store.add(key, owner, ttlMs, 'even-when-full')",
      },
      {
        file: 'cache/lease.ts',
        find: 'if (restMs() > ttlMs && !(await store.compareAndTouch(key, owner, restMs()))) return undefined',
        replace: '',
      },
    ],
  },
  {
    name: 'a refresh whose answer was lost is repeated after its back-off',
    rule: 'no token twice (E2)',
    template: undefined,
    breaks: 'refresh-token-reused',
    edits: [
      {
        file: 'session/refresh.ts',
        find: 'if (isLost) await writer.replace(ticket, before.session, deps.next.afterLostAnswer(before))',
        replace: '',
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
]
