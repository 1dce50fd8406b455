// What every Store promises, as one suite that each implementation runs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Key, Kind, Store } from '../../src/store/store.ts'
import { eventually } from '../fixtures/redis.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** Milliseconds since the epoch. */
  now(): number
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
  // On a real clock lives are long enough for a busy machine, and the tests wait side by side.
  const brief = realTime ? 300 : 40
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
    const textAt = async (key: Key) => (await store.get(key))?.toString()
    const heard = (note: string) => eventually(() => it.notes.includes(note))

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
      await store.set({ kind: 'token', id: key.id }, bytes('token'), long)
      assert.equal(await textAt(key), 'session')
    })

    for (const kind of ['session', 'revoked', 'used'] as const) {
      test(`forgets a value of kind ${kind} when its time is over`, async () => {
        const key = fresh(kind)
        await store.set(key, bytes('short'), brief)
        assert.equal(await textAt(key), 'short')
        await it.pass(brief * 1.2)
        assert.equal(await store.get(key), undefined)
      })
    }

    test('overwrites, and the new life is the one that counts', async () => {
      const key = fresh()
      await store.set(key, bytes('first'), brief)
      await store.set(key, bytes('second'), long)
      await it.pass(brief * 1.2)
      assert.equal(await textAt(key), 'second')
    })

    test('takes the rest of a life that is not a whole number', async () => {
      const key = fresh()
      await store.set(key, bytes('value'), long + 0.25)
      assert.equal(await textAt(key), 'value')
    })

    test('refuses an empty value and a life without end: both would be mistakes that show much later', async () => {
      await assert.rejects(store.set(fresh(), Buffer.alloc(0), long), TypeError)
      await assert.rejects(store.set(fresh(), bytes('x'), Infinity), TypeError)
      await assert.rejects(store.replace(fresh(), bytes('x'), long, Buffer.alloc(0)), TypeError)
    })

    test('add: exactly one of many callers writes', async () => {
      const key = fresh('used')
      const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => store.add(key, bytes(`${at}`), long)))
      assert.equal(answers.filter(Boolean).length, 1)
      assert.equal(await textAt(key), String(answers.indexOf(true)))
    })

    test('add: the key is free again when its time is over', async () => {
      const key = fresh('used')
      assert.equal(await store.add(key, bytes('1'), brief), true)
      assert.equal(await store.add(key, bytes('2'), brief), false)
      await it.pass(brief * 1.2)
      assert.equal(await store.add(key, bytes('3'), brief), true)
    })

    test('replace: writes while the head is the expected one, and says so', async () => {
      const key = fresh()
      await store.set(key, bytes('v1 tokens'), long)
      assert.equal(await store.replace(key, bytes('v2 tokens'), long, bytes('v1'), `replaced ${key.id}`), true)
      assert.equal(await textAt(key), 'v2 tokens')
      await heard(`replaced ${key.id}`)
    })

    test('replace: leaves alone what changed meanwhile, and what has gone: a logout wins', async () => {
      const key = fresh()
      await store.set(key, bytes('v2 tokens'), long)
      assert.equal(await store.replace(key, bytes('v3'), long, bytes('v1'), `lost ${key.id}`), false)
      assert.equal(await textAt(key), 'v2 tokens')
      await store.delete(key)
      assert.equal(await store.replace(key, bytes('v3'), long, bytes('v2')), false)
      assert.equal(await store.get(key), undefined)
      await store.announce(`end ${key.id}`)
      await heard(`end ${key.id}`)
      assert.ok(!it.notes.includes(`lost ${key.id}`))
    })

    test('replace: a value shorter than the expected head is not it', async () => {
      const key = fresh()
      await store.set(key, bytes('v'), long)
      assert.equal(await store.replace(key, bytes('w'), long, bytes('v1')), false)
    })

    test('replace: one of many who compare with the same head wins', async () => {
      const key = fresh()
      await store.set(key, bytes('v1'), long)
      const wins = await Promise.all(
        Array.from({ length: 10 }, (_, at) => store.replace(key, bytes(`v2 by ${at}`), long, bytes('v1'))),
      )
      assert.equal(wins.filter(Boolean).length, 1)
    })

    test('seed: writes where nothing is, once', async () => {
      const key = fresh()
      assert.equal(await store.seed(key, bytes('mine'), long, markOf(key), `seeded ${key.id}`), 'written')
      assert.equal(await store.seed(key, bytes('other'), long, markOf(key)), 'exists')
      assert.equal(await textAt(key), 'mine')
      await heard(`seeded ${key.id}`)
    })

    test('seed: brings no revoked session back, though its key is free', async () => {
      const key = fresh()
      await store.set(key, bytes('session'), long)
      await store.revoke(key, markOf(key), bytes('gone'), long)
      assert.equal(await store.seed(key, bytes('session'), long, markOf(key)), 'marked')
      assert.equal(await store.get(key), undefined)
    })

    test('revoke: deletes, marks and tells', async () => {
      const key = fresh()
      await store.set(key, bytes('session'), long)
      assert.equal(await store.revoke(key, markOf(key), bytes('at noon'), long, `revoked ${key.id}`), true)
      assert.equal(await store.get(key), undefined)
      assert.equal(await textAt(markOf(key)), 'at noon')
      await heard(`revoked ${key.id}`)
    })

    test('revoke: marks also what is not there, so that it cannot come back', async () => {
      const key = fresh()
      assert.equal(await store.revoke(key, markOf(key), bytes('x'), long), false)
      assert.equal(await textAt(markOf(key)), 'x')
    })

    test('revoke: a mark that lives longer keeps its end', async () => {
      const key = fresh()
      await store.revoke(key, markOf(key), bytes('long'), long)
      await store.revoke(key, markOf(key), bytes('short'), brief)
      await it.pass(brief * 1.2)
      assert.equal(await textAt(markOf(key)), 'short')
    })

    test('touch: prolongs what is there, and says when it has gone', async () => {
      const key = fresh()
      await store.set(key, bytes('value'), brief)
      assert.equal(await store.touch(key, long), true)
      await it.pass(brief * 1.2)
      assert.equal(await textAt(key), 'value')
      assert.equal(await store.touch(fresh(), long), false)
    })

    test('delete: forgets and tells, also when there was nothing', async () => {
      const key = fresh()
      await store.set(key, bytes('value'), long)
      await store.delete(key, `deleted ${key.id}`)
      assert.equal(await store.get(key), undefined)
      await heard(`deleted ${key.id}`)
      await store.delete(key)
    })

    test('a lease is released and renewed by its holder only', async () => {
      const key = fresh('lease')
      await store.add(key, bytes('holder'), brief)
      assert.equal(await store.deleteIf(key, bytes('other')), false)
      assert.equal(await store.touchIf(key, bytes('other'), long), false)
      assert.equal(await store.touchIf(key, bytes('holder'), long), true)
      await it.pass(brief * 1.2)
      assert.equal(await textAt(key), 'holder')
      assert.equal(await store.deleteIf(key, bytes('holder')), true)
      assert.equal(await store.deleteIf(key, bytes('holder')), false)
      assert.equal(await store.touchIf(key, bytes('holder'), long), false)
    })

    test('an index lists the members that have not expired', async () => {
      const key = fresh('index')
      const now = it.now()
      await store.indexAdd(key, 'short', now + brief)
      await store.indexAdd(key, 'long', now + long)
      await store.indexAdd(key, 'over', now - 1)
      assert.deepEqual((await store.indexMembers(key, it.now())).sort(), ['long', 'short'])
      assert.deepEqual(await store.indexMembers(key, now + brief + 1), ['long'])
      assert.deepEqual(await store.indexMembers(fresh('index'), now), [])
    })

    test('an index outlives its shorter members: adding one never shortens the life of the whole', async () => {
      const key = fresh('index')
      await store.indexAdd(key, 'long', it.now() + long)
      await store.indexAdd(key, 'short', it.now() + brief)
      await it.pass(brief * 1.2)
      assert.deepEqual(await store.indexMembers(key, it.now()), ['long'])
    })

    test('an index is forgotten with its last member', async () => {
      const key = fresh('index')
      await store.indexAdd(key, 'only', it.now() + brief)
      await it.pass(brief * 1.2)
      assert.equal(await store.touch(key, long), false)
    })

    test('a value where an index was expected is rejected, not misread, and the other way round', async () => {
      const key = fresh('index')
      await store.set(key, bytes('not an index'), long)
      await assert.rejects(store.indexAdd(key, 'x', it.now() + long), { code: 'STORE_VALUE_REJECTED' })
      const index = fresh('index')
      await store.indexAdd(index, 'x', it.now() + long)
      await assert.rejects(store.get(index), { code: 'STORE_VALUE_REJECTED' })
      await assert.rejects(store.get(index, 4), { code: 'STORE_VALUE_REJECTED' })
    })

    // Of one key: in a Cluster two notes about different keys may overtake each other, and nothing may depend on it.
    test('notes about one key come in the order of its writes, each once', async () => {
      const key = fresh()
      const sent = Array.from({ length: 20 }, (_, at) => `ordered ${at}`)
      for (const note of sent) await store.set(key, bytes('value'), long, note)
      await heard('ordered 19')
      assert.deepEqual(
        it.notes.filter((note) => note.startsWith('ordered')),
        sent,
      )
    })

    test('a write without a note tells nobody, not even that there is no note', async () => {
      const key = fresh()
      await store.set(key, bytes('quiet'), long)
      await store.replace(key, bytes('quieter'), long, bytes('q'))
      await store.revoke(key, markOf(key), bytes('x'), long)
      await store.seed(key, bytes('x'), long, markOf(key))
      await store.delete(key)
      await store.delete(key, `marker ${key.id}`)
      await heard(`marker ${key.id}`)
      assert.deepEqual(
        it.notes.filter((note) => !note.includes('contract-') && !note.startsWith('ordered')),
        [],
      )
    })
  })
}
