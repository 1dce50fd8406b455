// The provider as one state: what turns it, what does not, and how often the log hears of it.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { minutes, seconds } from '../../src/time.ts'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, flow, outcomeOf, type WorldOptions } from './setup.ts'

async function someone(t: TestContext, options: WorldOptions = {}) {
  const world = await aWorld(t, { ...options, provider: { rotatesRefreshToken: false, ...options.provider } })
  const { tokens } = await world.login()
  const refresh = () => outcomeOf(world.provider.refresh(tokens, { issuer: world.op.issuer, subject: 'alice' }))
  const guess = () =>
    outcomeOf(
      world.login({ query: String(new URLSearchParams({ state: flow.state, code: 'guessed', iss: world.op.issuer })) }),
    )
  const told = () => world.log.lines.filter(({ level }) => level !== 'debug').slice(1)
  return { ...world, tokens, refresh, guess, told }
}

describe('a provider in trouble', () => {
  for (const [name, fault] of [
    ['cuts connections', { drop: true }],
    ['has status 500', { status: 500 }],
    ['sends a page for maintenance', { status: 200, body: '<html>' }],
  ] satisfies [string, Fault][]) {
    test(`that ${name} is one warning, however many refreshes fail, and one line when it is back`, async (t) => {
      const { op, provider, refresh, told, time } = await someone(t)
      assert.equal(provider.status(), 'ready')
      op.fault('refresh', fault)
      for (let person = 0; person < 15; person++) assert.equal(await refresh(), 'PROVIDER_UNAVAILABLE')
      assert.equal(provider.status(), 'failing')
      assert.deepEqual(
        told().map(({ event, reason, level }) => [event, reason, level]),
        [['provider_unavailable', 'token_failing', 'warn']],
      )
      time.advance(seconds(40))
      op.fault('refresh', undefined)
      assert.equal(await refresh(), 'ok')
      assert.equal(provider.status(), 'ready')
      assert.partialDeepStrictEqual(told()[1], {
        event: 'provider_ready',
        refreshesFailed: 15,
        callsFailed: 15,
        failedForMs: seconds(40),
      })
      assert.equal(told().length, 2)
    })
  }

  test('by turns is not two lines per call, and one that stays is told in the end', async (t) => {
    const { op, refresh, told, time } = await someone(t)
    for (let turn = 0; turn < 10; turn++) {
      op.fault('refresh', { status: 503, times: 1 })
      await refresh()
      await refresh()
    }
    assert.deepEqual(
      told().map(({ event }) => event),
      ['provider_unavailable', 'provider_ready'],
    )
    op.fault('refresh', { status: 503 })
    await refresh()
    time.advance(minutes(1))
    await refresh()
    assert.equal(told().at(-1)?.event, 'provider_unavailable')
  })

  test('that was not reached is known to be back by any answer of the same host', async (t) => {
    const { op, provider, refresh } = await someone(t)
    op.fault('refresh', { drop: true })
    await refresh()
    assert.equal(provider.status(), 'failing')
    await provider.revoke({ accessToken: 'at', idToken: undefined, refreshToken: undefined })
    assert.equal(provider.status(), 'ready')
  })

  test('only at UserInfo stays so while the token endpoint answers', async (t) => {
    const { op, provider, login, refresh, told } = await someone(t, { options: { claimsWanted: ['groups'] } })
    op.fault('userinfo', { status: 503 })
    await login()
    await refresh()
    assert.equal(provider.status(), 'failing')
    assert.equal(told().filter(({ event }) => event === 'provider_unavailable').length, 1)
    op.fault('userinfo', undefined)
    await login()
    assert.equal(provider.status(), 'ready')
  })

  test('only at revocation does not look bad for longer than to the next answer', async (t) => {
    const { op, provider, refresh, tokens } = await someone(t)
    op.fault('revocation', { status: 503 })
    await provider.revoke(tokens)
    assert.equal(provider.status(), 'failing')
    op.fault('revocation', undefined)
    await refresh()
    assert.equal(provider.status(), 'ready')
  })

  test('at each login and refresh anew is not a warning each', async (t) => {
    const { op, login, log } = await someone(t, { options: { claimsWanted: ['groups'] } })
    op.fault('userinfo', { status: 503 })
    for (let person = 0; person < 15; person++) await login()
    const lines = log.lines.filter(({ event }) => event === 'userinfo_unavailable')
    assert.deepEqual([lines.length, lines.filter(({ level }) => level === 'warn').length], [15, 5])
  })
})

describe('a client that the provider rejects', () => {
  test('is one error, and over with the next tokens', async (t) => {
    const { op, provider, refresh, guess, told } = await someone(t)
    op.fault('refresh', { status: 401, body: { error: 'invalid_client' } })
    for (let person = 0; person < 15; person++) assert.equal(await refresh(), 'PROVIDER_UNAVAILABLE')
    assert.equal(provider.status(), 'failing')
    assert.equal(await guess(), 'code_rejected')
    assert.equal(provider.status(), 'failing', 'what a stranger brings does not clear it')
    op.fault('refresh', undefined)
    assert.equal(await refresh(), 'ok')
    assert.equal(provider.status(), 'ready')
    assert.deepEqual(
      told().map(({ event, level, refreshesFailed }) => [event, level, refreshesFailed]),
      [
        ['provider_client_rejected', 'error', undefined],
        ['provider_ready', 'info', 15],
      ],
    )
  })
})

describe("a stranger's code", () => {
  const harmless: [name: string, fault: Fault | undefined][] = [
    ['that is refused', undefined],
    ['that the provider chokes on', { status: 500 }],
    ['that gets server_error', { status: 400, body: { error: 'server_error' } }],
    ['that gets a page', { status: 403, body: '<html>blocked' }],
    ['at which something cuts the connection', { drop: true }],
  ]
  for (const [name, fault] of harmless) {
    test(`${name} says nothing against the provider`, async (t) => {
      const { op, provider, guess } = await someone(t)
      op.fault('token', fault)
      assert.notEqual(await guess(), 'ok')
      assert.equal(op.calls.token, 2)
      assert.equal(provider.status(), 'ready')
    })
  }

  test('that gets no answer at all, or that nobody is there, is not about the code', async (t) => {
    const { op, provider, login, time } = await someone(t)
    op.fault('token', { status: 503 })
    await outcomeOf(login())
    assert.equal(provider.status(), 'failing')
    op.fault('token', undefined)
    await login()
    assert.equal(provider.status(), 'ready')
    op.fault('token', { hang: true })
    const arrived = op.nextCall('token')
    const outcome = outcomeOf(login())
    await arrived
    time.advance(seconds(5))
    await outcome
    assert.equal(provider.status(), 'failing')
  })

  test('does not hide that refreshes fail', async (t) => {
    const { op, provider, guess, refresh } = await someone(t)
    op.fault('refresh', { status: 500 })
    await refresh()
    await guess()
    assert.equal(provider.status(), 'failing')
  })
})
