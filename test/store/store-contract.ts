// What every Store promises, as one suite that each implementation runs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Key, Kind, Store } from '../../src/store/store.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { eventually } from '../fixtures/redis.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** Lets that much time pass: for the clock that the store goes by. */
  pass(ms: number): Promise<void>
  /** Notes heard so far, from any process. */
  readonly notes: readonly string[]
  close(): Promise<void> | void
}

const long = 60_000
const markOf = (key: Key): Key => ({ kind: 'revoked', id: key.id })
const bytes = (text: string) => Buffer.from(text)

export function storeContract(
  name: string,
  open: () => Promise<StoreUnderTest>,
  { skip = false, realTime = false }: { skip?: string | false; realTime?: boolean } = {},
): void {
  describe(`the store in ${name}`, { skip, concurrency: realTime ? 50 : 1 }, () => {
    let it: StoreUnderTest
    let store: Store
    let number = 0
    before(async () => {
      it = await open()
      store = it.store
    })
    after(() => it?.close())

    const fresh = (kind: Kind = 'session'): Key => ({ kind, id: `contract-${++number}` })
    /**
     * A key of which the brief life that `act` gave to what it did there is over. A real clock runs on while a busy machine runs
     * other things: where it came too late, all is done again with a longer life. There the tests wait side by side.
     */
    async function afterBrief(act: (key: Key, brief: number) => Promise<void>, kind?: Kind): Promise<Key> {
      for (let brief = realTime ? 1_000 : 40; ; brief *= 2) {
        const key = fresh(kind)
        const startedAt = performance.now()
        const mayStillLive = () => !realTime || brief > 10_000 || performance.now() - startedAt < brief
        try {
          await act(key, brief)
        } catch (error) {
          if (mayStillLive()) throw error
        }
        if (!mayStillLive()) continue
        await it.pass(brief * 1.2)
        return key
      }
    }
    const textAt = async (key: Key) => (await store.get(key))?.toString()
    const heard = (note: string) => eventually(() => it.notes.includes(note))
    /** As a session's room does: the state's generation decides, not the mark alone. */
    const write = (key: Key, generation: number, note?: string) =>
      store.setUnlessMarked(key, bytes(`v${generation}`), long, { mark: markOf(key), generation }, note)
    const logOut = (key: Key, note?: string) => store.withdraw(key, markOf(key), everyGeneration, long, note)

    test('has nothing under a key that nobody wrote', async () => {
      assert.equal(await store.get(fresh()), undefined)
      assert.equal(await store.get(fresh(), 8), undefined)
      assert.equal(await store.get(fresh('revoked')), undefined)
    })

    test('gives back the bytes that were written, whatever they are', async () => {
      const key = fresh()
      const all = Buffer.from(Array.from({ length: 512 }, (_, at) => at % 256))
      await store.set(key, all, long)
      assert.deepEqual(await store.get(key), all)
    })

    test('moves no more than the head that was asked for', async () => {
      const key = fresh()
      await store.set(key, bytes('head and tail'), long)
      assert.equal((await store.get(key, 4))?.toString(), 'head')
      assert.equal((await store.get(key, 1_000))?.toString(), 'head and tail')
    })

    test('keeps kinds apart: the same id is two keys', async () => {
      const key = fresh()
      await store.set(key, bytes('session'), long)
      await store.set({ kind: 'used', id: key.id }, bytes('used'), long)
      assert.equal(await textAt(key), 'session')
    })

    for (const kind of ['session', 'revoked', 'used'] as const) {
      test(`forgets a value of kind ${kind} when its time is over`, async () => {
        const key = await afterBrief(async (key, brief) => {
          await store.set(key, bytes('short'), brief)
          assert.equal(await textAt(key), 'short')
        }, kind)
        assert.equal(await store.get(key), undefined)
      })
    }

    test('overwrites, and the new life is the one that counts', async () => {
      const key = await afterBrief(async (key, brief) => {
        await store.set(key, bytes('first'), brief)
        await store.set(key, bytes('second'), long)
      })
      assert.equal(await textAt(key), 'second')
    })

    test('takes the rest of a life that is not a whole number', async () => {
      const key = fresh()
      await store.set(key, bytes('value'), long + 0.25)
      assert.equal(await textAt(key), 'value')
      await store.withdraw(key, markOf(key), everyGeneration, 0.4)
    })

    test('refuses an empty value and a life without end: both would be mistakes that show much later', async () => {
      const key = fresh()
      await assert.rejects(store.set(key, Buffer.alloc(0), long), TypeError)
      await assert.rejects(store.set(key, bytes('x'), Infinity), TypeError)
      await assert.rejects(store.compareAndSet(key, bytes('x'), long, Buffer.alloc(0)), TypeError)
      await assert.rejects(store.withdraw(key, markOf(key), everyGeneration, NaN), TypeError)
    })

    test('add: exactly one of many callers writes', async () => {
      const key = fresh('used')
      const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => store.add(key, bytes(`${at}`), long)))
      assert.equal(answers.filter(Boolean).length, 1)
      assert.equal(await textAt(key), String(answers.indexOf(true)))
    })

    test('add: the key is free again when its time is over', async () => {
      const key = await afterBrief(async (key, brief) => {
        assert.equal(await store.add(key, bytes('1'), brief), true)
        assert.equal(await store.add(key, bytes('2'), brief), false)
      }, 'used')
      assert.equal(await store.add(key, bytes('3'), long), true)
    })

    test('compareAndSet: writes while the head is the expected one, and says so', async () => {
      const key = fresh()
      await store.set(key, bytes('v1 tokens'), long)
      assert.equal(await store.compareAndSet(key, bytes('v2 tokens'), long, bytes('v1'), `changed ${key.id}`), true)
      assert.equal(await textAt(key), 'v2 tokens')
      await heard(`changed ${key.id}`)
    })

    test('compareAndSet: leaves alone what changed meanwhile, and what has gone: a logout wins', async () => {
      const key = fresh()
      await store.set(key, bytes('v2 tokens'), long)
      assert.equal(await store.compareAndSet(key, bytes('v3'), long, bytes('v1'), `lost ${key.id}`), false)
      assert.equal(await textAt(key), 'v2 tokens')
      await store.delete(key)
      assert.equal(await store.compareAndSet(key, bytes('v3'), long, bytes('v2')), false)
      assert.equal(await store.get(key), undefined)
      await logOut(key, `end ${key.id}`)
      await heard(`end ${key.id}`)
      assert.ok(!it.notes.includes(`lost ${key.id}`))
    })

    test('compareAndSet: a value shorter than the expected head is not it', async () => {
      const key = fresh()
      await store.set(key, bytes('v'), long)
      assert.equal(await store.compareAndSet(key, bytes('w'), long, bytes('v1')), false)
    })

    test('compareAndSet: one of many who compare with the same head wins', async () => {
      const key = fresh()
      await store.set(key, bytes('v1'), long)
      const wins = await Promise.all(
        Array.from({ length: 10 }, (_, at) => store.compareAndSet(key, bytes(`v2 by ${at}`), long, bytes('v1'))),
      )
      assert.equal(wins.filter(Boolean).length, 1)
    })

    test('setUnlessMarked: writes where nothing is, once', async () => {
      const key = fresh()
      assert.equal(await write(key, 1, `written ${key.id}`), 'written')
      assert.equal(await write(key, 2), 'exists')
      assert.equal(await textAt(key), 'v1')
      await heard(`written ${key.id}`)
    })

    test('setUnlessMarked: brings no session back that was logged out, though its key is free', async () => {
      const key = fresh()
      await write(key, 1)
      await logOut(key)
      assert.equal(await write(key, 1), 'marked')
      assert.equal(await write(key, everyGeneration - 1), 'marked')
      assert.equal(await store.get(key), undefined)
    })

    test('setUnlessMarked: a state that lost a right does not come back, the one after it does', async () => {
      const key = fresh()
      await store.withdraw(key, markOf(key), 5, long)
      assert.equal(await write(key, 4, `too old ${key.id}`), 'marked')
      assert.equal(await write(key, 5, `not below ${key.id}`), 'written')
      assert.equal(await textAt(key), 'v5')
      await heard(`not below ${key.id}`)
      assert.ok(!it.notes.includes(`too old ${key.id}`))
    })

    for (const [what, value] of [
      ['of a replica from before floors', '1'],
      ['that is damaged', 'f5 and more'],
      ['without a number', 'f'],
      ['with more digits than any generation has', 'f99999999999'],
    ] as const) {
      test(`setUnlessMarked: a mark ${what} withdraws every state`, async () => {
        const key = fresh()
        await store.set(markOf(key), bytes(value), long)
        assert.equal(await write(key, everyGeneration - 1), 'marked')
        assert.equal(await store.get(key), undefined)
      })

      test(`withdraw: a mark ${what} is not lowered`, async () => {
        const key = fresh()
        await store.set(markOf(key), bytes(value), long)
        await store.withdraw(key, markOf(key), 7, long)
        assert.equal(await write(key, everyGeneration - 1), 'marked')
      })
    }

    test('withdraw: a logout deletes, marks and tells', async () => {
      const key = fresh()
      await write(key, 1)
      assert.equal(await logOut(key, `withdrawn ${key.id}`), true)
      assert.equal(await store.get(key), undefined)
      assert.equal(await textAt(markOf(key)), '1', 'as replicas from before floors understand it')
      await heard(`withdrawn ${key.id}`)
    })

    test('withdraw: marks also what is not there, so that it cannot come back', async () => {
      const key = fresh()
      assert.equal(await logOut(key), false)
      assert.equal(await textAt(markOf(key)), '1')
    })

    test('withdraw: a right lost leaves the value, which may be the newer state already', async () => {
      const key = fresh()
      await write(key, 5)
      assert.equal(await store.withdraw(key, markOf(key), 5, long, `lost ${key.id}`), true)
      assert.equal(await textAt(key), 'v5')
      assert.equal(await textAt(markOf(key)), 'f5')
      await heard(`lost ${key.id}`)
    })

    test('withdraw: raises a mark, and never lowers it', async () => {
      const key = fresh()
      for (const [floor, text] of [
        [5, 'f5'],
        [3, 'f5'],
        [8, 'f8'],
        [everyGeneration, '1'],
        [9, '1'],
      ] as const) {
        await store.withdraw(key, markOf(key), floor, long)
        assert.equal(await textAt(markOf(key)), text)
      }
    })

    test('withdraw: what was logged out stays deleted, whatever is withdrawn afterwards', async () => {
      const key = fresh()
      await logOut(key)
      await store.set(key, bytes('v1'), long)
      assert.equal(await store.withdraw(key, markOf(key), 5, long), true)
      assert.equal(await store.get(key), undefined)
    })

    test('withdraw: a mark that lives longer keeps its end', async () => {
      const key = await afterBrief(async (key, brief) => {
        await store.withdraw(key, markOf(key), 5, long)
        await store.withdraw(key, markOf(key), everyGeneration, brief)
      })
      assert.equal(await textAt(markOf(key)), '1')
    })

    test('withdraw: a mark that is withdrawn again lives as long as the later one asks', async () => {
      const key = await afterBrief(async (key, brief) => {
        await store.withdraw(key, markOf(key), 5, brief)
        await store.withdraw(key, markOf(key), 5, long)
      })
      assert.equal(await textAt(markOf(key)), 'f5')
    })

    test('touch: prolongs what is there, and says when it has gone', async () => {
      const key = await afterBrief(async (key, brief) => {
        await store.set(key, bytes('value'), brief)
        assert.equal(await store.touch(key, long), true)
      })
      assert.equal(await textAt(key), 'value')
      assert.equal(await store.touch(fresh(), long), false)
    })

    test('delete: forgets, also when there was nothing', async () => {
      const key = fresh()
      await store.set(key, bytes('value'), long)
      await store.delete(key)
      assert.equal(await store.get(key), undefined)
      await store.delete(key)
    })

    test('a lease is released and renewed by its holder only', async () => {
      const key = await afterBrief(async (key, brief) => {
        await store.add(key, bytes('holder'), brief)
        assert.equal(await store.compareAndDelete(key, bytes('other')), false)
        assert.equal(await store.compareAndTouch(key, bytes('other'), long), false)
        assert.equal(await store.compareAndTouch(key, bytes('holder'), long), true)
      }, 'lease')
      assert.equal(await textAt(key), 'holder')
      assert.equal(await store.compareAndDelete(key, bytes('holder')), true)
      assert.equal(await store.compareAndDelete(key, bytes('holder')), false)
      assert.equal(await store.compareAndTouch(key, bytes('holder'), long), false)
    })

    test('ttl: says how long a value stays, and nothing of what is not there', async () => {
      const key = fresh()
      assert.equal(await store.ttl(key), undefined)
      await store.set(key, bytes('value'), long)
      const left = (await store.ttl(key)) ?? 0
      assert.ok(left > long / 2 && left <= long, String(left))
    })

    test('overwriteHead: changes the first bytes of what is there, and not its end', async () => {
      const key = fresh('about')
      assert.equal(await store.overwriteHead(key, bytes('seen')), false)
      assert.equal(await store.get(key), undefined)
      await store.set(key, bytes('head and tail'), long)
      assert.equal(await store.overwriteHead(key, bytes('seen')), true)
      assert.equal(await textAt(key), 'seen and tail')
      const left = (await store.ttl(key)) ?? 0
      assert.ok(left > long / 2 && left <= long, String(left))
    })

    test('members: those who have not left yet, the first to leave first', async () => {
      const key = fresh('sessions')
      const now = 1_800_000_000_000
      assert.deepEqual(await store.members(key, now, 10), [])
      for (const [member, ms] of [
        ['late', 3_000],
        ['soon', 1_000],
        ['then', 2_000],
      ] as const) {
        await store.addMember(key, member, now + ms * 100, now)
      }
      assert.deepEqual(await store.members(key, now, 10), ['soon', 'then', 'late'])
      assert.deepEqual(await store.members(key, now, 1, 1), ['then'])
      assert.deepEqual(await store.members(key, now + 100_000, 10), ['then', 'late'])
      await store.removeMember(key, 'then')
      await store.removeMember(key, 'nobody')
      assert.deepEqual(await store.members(key, now, 10), ['soon', 'late'])
      await store.addMember(key, 'soon', now + 400_000, now)
      assert.deepEqual(await store.members(key, now, 10), ['late', 'soon'])
    })

    test('a set lives as long as its last member', async () => {
      const key = await afterBrief(async (key, brief) => {
        await store.addMember(key, 'brief', brief, 0)
      }, 'sessions')
      assert.deepEqual(await store.members(key, 0, 10), realTime ? [] : ['brief'])
      const longer = await afterBrief(async (key, brief) => {
        await store.addMember(key, 'brief', brief, 0)
        await store.addMember(key, 'long', long, 0)
      }, 'sessions')
      assert.deepEqual(await store.members(longer, 30_000, 10), ['long'])
    })

    test('take: so many at once, then at an even pace, and who has to wait takes nothing', async () => {
      const [one, other] = [fresh('rate'), fresh('rate')]
      const rate = { intervalMs: 20_000, windowMs: 60_000 }
      for (let taken = 0; taken < 3; taken++) assert.equal(await store.take(one, rate), 0)
      for (let again = 0; again < 5; again++) {
        const waitMs = await store.take(one, rate)
        assert.ok(waitMs > 10_000 && waitMs <= 20_000, String(waitMs))
      }
      assert.equal(await store.take(other, rate), 0, 'another key')
      const left = (await store.ttl(one)) ?? 0
      assert.ok(left > 50_000 && left <= 60_001, String(left))
      if (realTime) return
      await it.pass(20_000)
      assert.deepEqual([await store.take(one, rate), await store.take(one, rate)], [0, 20_000])
    })

    test('take: what is damaged, or of a clock that was far ahead, says nothing', async () => {
      const rate = { intervalMs: 30_000, windowMs: 30_000 }
      for (const text of ['damaged', '9e15', '-5', 'NaN', '{}']) {
        const key = fresh('rate')
        await store.set(key, bytes(text), long)
        assert.equal(await store.take(key, rate), 0, text)
        assert.ok((await store.take(key, rate)) > 0, text)
      }
    })

    // Of one key: in a Cluster two notes about different keys may overtake each other, and nothing may depend on it.
    test('notes about one key come in the order of its writes, each once', async () => {
      const key = fresh()
      await store.set(key, bytes('value'), long)
      const sent = Array.from({ length: 20 }, (_, at) => `ordered ${at}`)
      for (const note of sent) await store.compareAndSet(key, bytes('value'), long, bytes('v'), note)
      await heard('ordered 19')
      assert.deepEqual(
        it.notes.filter((note) => note.startsWith('ordered')),
        sent,
      )
    })

    test('a write without a note tells nobody, not even that there is no note', async () => {
      const key = fresh()
      await store.set(key, bytes('quiet'), long)
      await store.compareAndSet(key, bytes('quieter'), long, bytes('q'))
      await store.delete(key)
      await write(key, 1)
      await logOut(key)
      await logOut(key, `marker ${key.id}`)
      await heard(`marker ${key.id}`)
      assert.deepEqual(
        it.notes.filter((note) => !note.includes('contract-') && !note.startsWith('ordered')),
        [],
      )
    })
  })
}
