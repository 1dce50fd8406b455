import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCallsUnderWay, withCallsAwaited } from '../../src/oidc/calls-under-way.ts'
import type { Provider } from '../../src/oidc/provider.ts'

const calls = ['exchangeCode', 'refresh', 'revoke'] as const

/** Every call of it hangs until it is told how it ends. */
function aProvider() {
  const ends = new Map<string, PromiseWithResolvers<never>>()
  const hanging = (name: string) => () => {
    const end = Promise.withResolvers<never>()
    ends.set(name, end)
    return end.promise
  }
  const underWay = createCallsUnderWay()
  // Only these three reach the provider and change something there.
  const provider = withCallsAwaited(
    Object.fromEntries(calls.map((name) => [name, hanging(name)])) as unknown as Provider,
    underWay,
  )
  const call = (name: (typeof calls)[number]) => {
    const under = { exchangeCode: provider.exchangeCode, refresh: provider.refresh, revoke: provider.revoke }[name]
    // What they are given goes through as it is.
    return (under as (...given: unknown[]) => Promise<unknown>)()
  }
  return { settled: underWay.settled, call, end: (name: string) => ends.get(name)?.resolve(undefined as never), ends }
}

async function isSettled(settled: () => Promise<void>): Promise<boolean> {
  const no = new Promise<false>((resolve) => void setImmediate(() => resolve(false)))
  return Promise.race([settled().then(() => true), no])
}

for (const name of calls) {
  test(`while ${name} is under way nothing is settled, and afterwards it is (C1)`, async () => {
    const { settled, call, end } = aProvider()
    assert.equal(await isSettled(settled), true)
    const made = call(name)
    assert.equal(await isSettled(settled), false)
    end(name)
    await made
    assert.equal(await isSettled(settled), true)
  })
}

test('what begins while one is awaited is awaited, too (C1)', async () => {
  const { settled, call, end } = aProvider()
  void call('exchangeCode')
  let isOver = false
  const all = settled().then(() => (isOver = true))
  void call('revoke')
  end('exchangeCode')
  assert.equal(await isSettled(settled), false)
  assert.equal(isOver, false)
  end('revoke')
  await all
})

test('a call that fails is no longer under way, and its failure is the caller’s alone (C1)', async () => {
  const { settled, call, ends } = aProvider()
  const made = call('refresh')
  const all = settled()
  ends.get('refresh')?.reject(new Error('no'))
  await assert.rejects(made, /no/)
  await all
})
