// What every WithdrawalLog promises, as one suite that each implementation runs: the real one and the fake of the tests.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { chainAfter, everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { BeatReply, LogEntry, Position, Withdrawal, WithdrawalLog } from '../../src/store/withdrawal-log.ts'

export interface LogUnderTest {
  readonly log: WithdrawalLog
  close(): Promise<void> | void
}

/** The chain that follows from one by these entries. */
export const chainOver = (from: string, entries: readonly Withdrawal[]): string => entries.reduce(chainAfter, from)

/** Fails unless whoever reads the log from its beginning, or beats from where it stands, has all of it. */
export async function assertReadable(log: WithdrawalLog, expected: readonly Withdrawal[]): Promise<Position> {
  const beat = (token: number, position?: Position) =>
    log.beat({ replica: 'reader', token, position, clean: true, hello: '' })
  const { head } = await beat(1)
  const read = await readAll(log)
  assert.deepEqual(
    read.map(({ id, floor }) => `${id}:${floor}`),
    expected.map(({ id, floor }) => `${id}:${floor}`),
  )
  const still = await beat(2, head)
  assert.deepEqual([still.head, still.entries], [head, []])
  await log.append([{ id: 'one-more', floor: 7 }])
  const next = await beat(3, head)
  assert.deepEqual(next.entries, [{ id: 'one-more', floor: 7, n: next.head.n }])
  assert.equal(next.head.chain, chainOver(head.chain, next.entries))
  assert.ok(next.head.n > head.n)
  return next.head
}

export async function readAll(log: WithdrawalLog, limit = 500): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for (let page = await log.page(0, limit); page.length > 0; page = await log.page(all.at(-1)?.n ?? 0, limit)) {
    all.push(...page)
  }
  return all
}

export function logContract(
  name: string,
  open: () => Promise<LogUnderTest>,
  { skip = false }: { skip?: string | false } = {},
): void {
  describe(`the record of withdrawals in ${name}`, { skip }, () => {
    let it: LogUnderTest
    let log: WithdrawalLog
    let replicas = 0
    before(async () => {
      it = await open()
      log = it.log
    })
    after(() => it?.close())

    const tokens = new Map<string, number>()
    function beat(replica: string, position?: Position, clean = true): Promise<BeatReply> {
      const token = (tokens.get(replica) ?? 0) + 1
      tokens.set(replica, token)
      return log.beat({ replica, token, position, clean, hello: '' })
    }
    const aReplica = () => `replica-${++replicas}`
    const ofMember = ({ members }: BeatReply, replica: string) => members.find((member) => member.replica === replica)
    let ids = 0
    const some = (count: number, floor = everyGeneration): Withdrawal[] =>
      Array.from({ length: count }, () => ({ id: `id-${++ids}_A`, floor }))

    test('a replica finds its own record as it was before this beat, and none with its first', async () => {
      const own = aReplica()
      const first = await beat(own, undefined, false)
      assert.equal(ofMember(first, own), undefined)
      const second = await beat(own, first.head, true)
      const { serverTime: at } = first
      assert.deepEqual(ofMember(second, own), { replica: own, at, token: 1, position: undefined, clean: false })
      const third = await beat(own, second.head, true)
      assert.deepEqual(ofMember(third, own), {
        replica: own,
        at: second.serverTime,
        token: 2,
        position: first.head,
        clean: true,
      })
      assert.ok(third.serverTime >= second.serverTime && Number.isSafeInteger(third.serverTime))
    })

    test('replicas see how far the others have read, until they leave', async () => {
      const [one, two] = [aReplica(), aReplica()]
      const { head } = await beat(one)
      await beat(one, head, false)
      const seen = ofMember(await beat(two), one)
      assert.deepEqual([seen?.token, seen?.position, seen?.clean], [2, head, false])
      await log.leave(one)
      assert.equal(ofMember(await beat(two), one), undefined)
      await log.leave(one)
    })

    test('whoever says how far it has read is given what came after, in order, with a chain that leads to the head', async () => {
      const own = aReplica()
      const { head, entries } = await beat(own)
      assert.equal(entries, undefined, 'no position, nothing that it could follow')
      const [a, b, c] = [...some(1), ...some(1, 5), ...some(1, 1)]
      assert.ok(a && b && c)
      await log.append([a, b])
      await log.append([c])
      const reply = await beat(own, head)
      assert.deepEqual(
        reply.entries?.map(({ id, floor }) => ({ id, floor })),
        [a, b, c],
      )
      assert.equal(chainOver(head.chain, reply.entries ?? []), reply.head.chain)
      assert.equal(reply.entries?.at(-1)?.n, reply.head.n)
      assert.deepEqual((await beat(own, reply.head)).entries, [])
    })

    test('n grows with each entry, and is the server’s time where that is greater', async () => {
      const own = aReplica()
      const { head, serverTime } = await beat(own)
      await log.append(some(20))
      const { entries = [] } = await beat(own, head)
      assert.equal(entries.length, 20)
      let last = head.n
      for (const { n } of entries) {
        assert.ok(n > last && n >= serverTime && Number.isSafeInteger(n), `${n} after ${last}`)
        last = n
      }
    })

    test('what it has already is not written again; another floor of the same session is news', async () => {
      const own = aReplica()
      const [a, b] = some(2, 3)
      assert.ok(a && b)
      await log.append([a])
      const { head } = await beat(own)
      await log.append([a])
      await log.append([])
      assert.deepEqual((await beat(own, head)).head, head)
      await log.append([a, b, { ...a, floor: 9 }, b])
      const { entries } = await beat(own, head)
      assert.deepEqual(
        entries?.map(({ id, floor }) => ({ id, floor })),
        [b, { ...a, floor: 9 }],
      )
    })

    test('up to 500 entries come with a beat; more are read page by page', async () => {
      const own = aReplica()
      const { head } = await beat(own)
      const many = some(500)
      await log.append(many)
      assert.equal((await beat(own, head)).entries?.length, 500)
      const last = some(1)
      await log.append(last)
      const reply = await beat(own, head)
      assert.equal(reply.entries, undefined)
      const first = await log.page(head.n, 200)
      assert.equal(first.length, 200)
      const second = await log.page(first.at(-1)?.n ?? 0, 500)
      assert.equal(second.length, 301)
      assert.deepEqual(await log.page(second.at(-1)?.n ?? 0, 500), [])
      const all = [...first, ...second]
      assert.deepEqual(
        all.map(({ id, floor }) => ({ id, floor })),
        [...many, ...last],
      )
      assert.equal(chainOver(head.chain, all), reply.head.chain)
    })

    test('of writers at the same time each gets in, once, and the chain is one', async () => {
      const own = aReplica()
      const { head } = await beat(own)
      const all = some(50)
      await Promise.all(all.flatMap((one) => [log.append([one]), log.append([one])]))
      const { entries = [], head: after } = await beat(own, head)
      assert.deepEqual(entries.map(({ id }) => id).sort(), all.map(({ id }) => id).sort())
      assert.equal(chainOver(head.chain, entries), after.chain)
    })
  })
}
