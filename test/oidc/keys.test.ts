import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hours, seconds } from '../../src/time.ts'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, flow, outcomeOf, settled } from './setup.ts'

describe('the keys of the provider', () => {
  test('are fetched once for any number of logins within the hour, and again after it', async (t) => {
    const { op, login, time } = await aWorld(t)
    for (let count = 0; count < 5; count++) assert.equal(await outcomeOf(login()), 'ok')
    assert.equal(op.calls.jwks, 1)
    time.advance(hours(1))
    assert.equal(await outcomeOf(login()), 'ok')
    assert.equal(op.calls.jwks, 2)
  })

  test('are fetched once for fifty logins at the same moment', async (t) => {
    const { op, login } = await aWorld(t)
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcomeOf(login())))
    assert.deepEqual(new Set(outcomes), new Set(['ok']))
    assert.equal(op.calls.jwks, 1)
  })

  test('rotated right after they were fetched: the very next login succeeds', async (t) => {
    const { op, login } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    await op.rotateKeys()
    assert.equal(await outcomeOf(login()), 'ok')
    assert.equal(op.calls.jwks, 2)
  })

  test('replaced under the same kid: the very next login succeeds', async (t) => {
    const { op, login } = await aWorld(t)
    await op.rotateKeys({ kid: 'same' })
    assert.equal(await outcomeOf(login()), 'ok')
    await op.rotateKeys({ kid: 'same' })
    op.jwks = (keys) => ({ keys: keys.slice(-1) })
    assert.equal(await outcomeOf(login()), 'ok')
  })

  test('changed again and again within a minute: every login succeeds, with one fetch each (E4)', async (t) => {
    const { op, login, time } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    for (let change = 1; change <= 5; change++) {
      time.advance(seconds(5))
      await op.rotateKeys()
      assert.equal(await outcomeOf(login()), 'ok', `change ${change}`)
      assert.equal(op.calls.jwks, 1 + change)
    }
    await op.rotateKeys()
    await op.rotateKeys()
    assert.equal(await outcomeOf(login()), 'ok')
  })

  test('changed between two logins of the same moment: both succeed (E4)', async (t) => {
    const { op, login } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    await op.rotateKeys()
    const gate = Promise.withResolvers<void>()
    op.fault('jwks', { gate: gate.promise, times: 1 })
    const arrived = op.nextCall('jwks')
    const first = outcomeOf(login())
    await arrived
    const second = outcomeOf(login())
    gate.resolve()
    assert.deepEqual([await first, await second], ['ok', 'ok'])
  })

  test('in another order are the same keys: a flood of unknown kids is told by them, too (E4)', async (t) => {
    const { op, login } = await aWorld(t)
    await op.rotateKeys()
    assert.equal(await outcomeOf(login()), 'ok')
    op.jwks = (keys) => ({ keys: op.calls.jwks % 2 === 0 ? keys : keys.toReversed(), at: op.calls.jwks })
    op.idToken = (draft) => ({ ...draft, header: { ...draft.header, kid: 'unknown' } })
    for (let count = 0; count < 20; count++) assert.equal(await outcomeOf(login()), 'id_token_signature')
    assert.equal(op.calls.jwks, 2)
  })

  test('that cannot be had out of turn are asked for once a second, however many log in', async (t) => {
    const { op, login, time } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    await op.rotateKeys()
    op.fault('jwks', { status: 500 })
    for (let count = 0; count < 20; count++) assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.jwks, 2)
    op.fault('jwks', undefined)
    time.advance(seconds(1))
    assert.equal(await outcomeOf(login()), 'ok')
  })

  test('signed with before they are published: refused, and accepted once published and the cool-down is over', async (t) => {
    const { op, login, time } = await aWorld(t)
    await op.rotateKeys({ publish: false })
    assert.equal(await outcomeOf(login()), 'id_token_signature')
    op.publishKeys()
    time.advance(seconds(30))
    assert.equal(await outcomeOf(login()), 'ok')
  })

  test('are fetched at most once per cool-down by a flood of 200 unknown kids', async (t) => {
    const { op, login, time } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    op.idToken = (draft) => ({ ...draft, header: { ...draft.header, kid: `unknown-${op.calls.token}` } })
    const flood = async (count: number): Promise<void> => {
      const outcomes = await Promise.all(Array.from({ length: count }, () => outcomeOf(login())))
      assert.deepEqual(new Set(outcomes), new Set(['id_token_signature']))
    }
    await flood(100)
    assert.equal(op.calls.jwks, 2)
    time.advance(seconds(29))
    await flood(50)
    assert.equal(op.calls.jwks, 2)
    time.advance(seconds(1))
    await flood(50)
    assert.equal(op.calls.jwks, 3)
  })

  test('of unknown kinds are no reason to refuse the others', async (t) => {
    const { op, login } = await aWorld(t)
    const odd = [{ kty: 'AKP', kid: 'x' }, { kty: 'XYZ', n: 1 }, { kid: 'no kty' }, null, 'text', { kty: 'RSA' }]
    op.jwks = (keys) => ({ keys: [...odd, ...keys] })
    assert.equal(await outcomeOf(login()), 'ok')
  })

  test('may be a thousand', async (t) => {
    const { op, login } = await aWorld(t)
    op.jwks = (keys) => ({ keys: [...Array.from({ length: 999 }, (_, n) => ({ ...keys[0], kid: `k${n}` })), ...keys] })
    assert.equal(await outcomeOf(login()), 'ok')
  })

  const failures: [name: string, fault: Fault][] = [
    ['status 500', { status: 500 }],
    ['a page of HTML', { status: 200, body: '<html>' }],
    ['a list', { status: 200, body: [] }],
    ['an object without keys', { status: 200, body: {} }],
    ['keys that are no list', { status: 200, body: { keys: {} } }],
    ['ten megabytes', { status: 200, body: { keys: [], filler: 'x'.repeat(10_000_000) } }],
    ['a cut connection', { drop: true }],
  ]
  for (const [name, fault] of failures) {
    test(`answered with ${name}: nobody can log in at first, and nobody is refused for it`, async (t) => {
      const { op, login } = await aWorld(t)
      op.fault('jwks', fault)
      assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
      op.fault('jwks', undefined)
      assert.equal(await outcomeOf(login()), 'ok')
    })

    test(`answered with ${name} later: the known ones serve for a day, asked for at most twice a minute`, async (t) => {
      const { op, login, time, log } = await aWorld(t)
      assert.equal(await outcomeOf(login()), 'ok')
      op.fault('jwks', fault)
      time.advance(hours(1))
      for (let count = 0; count < 5; count++) assert.equal(await outcomeOf(login()), 'ok')
      assert.equal(op.calls.jwks, 2)
      assert.equal(log.lines.filter(({ event }) => event === 'provider_keys_unavailable').length, 1)
    })
  }

  test('that drip slowly are given up after providerTimeout', async (t) => {
    const { op, login, time } = await aWorld(t)
    op.fault('jwks', { stall: true })
    const arrived = op.nextCall('jwks')
    const outcome = outcomeOf(login())
    await arrived
    time.advance(seconds(5))
    assert.equal(await outcome, 'PROVIDER_UNAVAILABLE')
  })

  test('that are unknown while the JWKS cannot be had are our trouble, not the person’s', async (t) => {
    const { op, login } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    await op.rotateKeys()
    op.fault('jwks', { status: 500 })
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
  })

  test('of a restarted replica come from the shared cache', async (t) => {
    const { op, login, another, query } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    op.fault('jwks', { status: 500 })
    const replica = another()
    replica.start()
    await settled(replica)
    assert.equal(await outcomeOf(replica.exchangeCode({ ...flow, query: query() })), 'ok')
    assert.equal(op.calls.jwks, 1)
  })
})
