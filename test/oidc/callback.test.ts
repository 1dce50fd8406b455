import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aWorld, flow, outcomeOf } from './setup.ts'

/** Changes the query of a good callback. */
type Change = (query: URLSearchParams, issuer: string) => string | void
const rows: [name: string, change: Change, outcome: string][] = [
  ['in order', () => {}, 'ok'],
  ['with parameters that we do not know', (q) => q.append('session_state', 'x'), 'ok'],
  ['without a state', (q) => q.delete('state'), 'state_missing'],
  ['with the state of another login', (q) => q.set('state', 'other'), 'state_unknown'],
  ['with two states', (q) => q.append('state', flow.state), 'parameter_repeated'],
  ['with two codes', (q) => q.append('code', 'x'), 'parameter_repeated'],
  ['with two issuers', (q, issuer) => q.append('iss', issuer), 'parameter_repeated'],
  ['with two errors', (q) => `${q.toString()}&error=a&error=b`, 'parameter_repeated'],
  ['without a code', (q) => q.delete('code'), 'code_missing'],
  ['with an empty code', (q) => q.set('code', ''), 'code_missing'],
  ['that is empty', () => '', 'state_missing'],
  ['that is `&`', () => '&', 'state_missing'],
  ['of a megabyte', (q) => `${q.toString()}&x=${'x'.repeat(1_000_000)}`, 'parameter_too_long'],
  ['of just over 8 KB in bytes, not characters', (q) => `${q.toString()}&x=${'ü'.repeat(4_096)}`, 'parameter_too_long'],
  ['without the iss that the provider advertises (RFC 9207)', (q) => q.delete('iss'), 'iss_missing'],
  ['with the iss of another provider', (q) => q.set('iss', 'https://evil.example'), 'iss_mismatch'],
  ['with an iss that differs by a slash', (q, issuer) => q.set('iss', `${issuer}/`), 'iss_mismatch'],
  ['with an empty iss', (q) => q.set('iss', ''), 'iss_mismatch'],
  ['where access was denied', (q) => (q.delete('code'), q.set('error', 'access_denied')), 'access_denied'],
  ['with another error', (q) => (q.delete('code'), q.set('error', 'server_error')), 'provider_error'],
  ['with an error and a code', (q) => q.set('error', 'access_denied'), 'provider_error'],
  [
    'with an error from somebody else',
    (q) => (q.delete('code'), q.set('iss', 'https://evil.example'), q.set('error', 'access_denied')),
    'iss_mismatch',
  ],
]

for (const [name, change, outcome] of rows) {
  test(`a callback ${name}: ${outcome}`, async (t) => {
    const { op, login, query } = await aWorld(t)
    const parameters = new URLSearchParams(query())
    const changed = change(parameters, op.issuer)
    assert.equal(await outcomeOf(login({ query: changed ?? parameters.toString() })), outcome)
    assert.equal(op.calls.token, outcome === 'ok' ? 1 : 0, 'the code is redeemed only after these checks')
  })
}

test('a callback may lack iss where the provider does not advertise it', async (t) => {
  const { login } = await aWorld(t, { provider: { sendsIss: false } })
  assert.equal(await outcomeOf(login()), 'ok')
})

test('a callback with a wrong iss is refused even where the provider does not advertise it', async (t) => {
  const { login, query } = await aWorld(t, { provider: { sendsIss: false } })
  assert.equal(await outcomeOf(login({ query: `${query()}&iss=https%3A%2F%2Fevil.example` })), 'iss_mismatch')
})

test('an error of the provider cannot put text of its own into the message', async (t) => {
  const { login } = await aWorld(t, { provider: { sendsIss: false } })
  const query = new URLSearchParams({ state: flow.state, error: '<script>call 555-1234</script>' })
  await assert.rejects(login({ query: query.toString() }), { message: 'the provider answered unreadable' })
})

test('what the provider says beside its error reaches the log: one line, cut, and without what the browser sent (C12)', async (t) => {
  const { login } = await aWorld(t, { provider: { sendsIss: false } })
  const said = `no\r\n[role]\u0000 for ${flow.state} ${'z'.repeat(60)}: ${'very '.repeat(100)}`
  const query = new URLSearchParams({ state: flow.state, error: 'server_error', error_description: said })
  await assert.rejects(login({ query: query.toString() }), (error: Error) => {
    assert.match(
      error.message,
      /^the provider answered server_error: no \[role\] for \[redacted\] \[redacted\]: very very/,
    )
    assert.ok(error.message.length < 300)
    return true
  })
  query.set('error', 'access_denied')
  await assert.rejects(login({ query: query.toString() }), {
    reason: 'access_denied',
    message: /access_denied: no \[role\]/,
  })
})

test('an error that is described a thousand times over is read in no time (C12)', async (t) => {
  const { login } = await aWorld(t, { provider: { sendsIss: false } })
  const query = new URLSearchParams({
    state: flow.state,
    error: 'server_error',
    error_description: '\u0301'.repeat(1_300),
  })
  const before = process.cpuUsage().user
  await assert.rejects(login({ query: query.toString() }))
  assert.ok(process.cpuUsage().user - before < 100_000)
})
