import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createFlows, flowIdOfState, flowLifetimeMs, isFlowId, sameState } from '../../src/login/flow.ts'
import { createSealer } from '../../src/sealing.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { encryptionKey } from '../session/world.ts'

const request = {
  redirectURI: 'https://app.example.com/oauth2/callback',
  returnTo: 'https://app.example.com/a?b=%2F#c',
  fresh: false,
}

function aBrowser() {
  const time = fakeTime()
  const flows = createFlows({
    sealer: createSealer([encryptionKey], 'flow', randomBytes),
    clock: time.clock,
    randomBytes,
  })
  return { time, flows }
}

test('what a flow remembers comes back from its cookie, the return address to the letter', () => {
  const { flows } = aBrowser()
  const flow = flows.start(request)
  assert.deepEqual(flows.open(flow.id, flows.seal(flow)), flow)
  assert.equal(flow.returnTo, request.returnTo)
})

test('state, nonce and verifier are 256 random bits each, and no two flows share any', () => {
  const { flows } = aBrowser()
  const all = Array.from({ length: 100 }, () => flows.start(request))
  const secrets = all.flatMap(({ state, nonce, codeVerifier }) => [state.split('.')[1] ?? '', nonce, codeVerifier])
  for (const secret of secrets) assert.equal(Buffer.from(secret, 'base64url').length, 32)
  assert.equal(new Set(secrets).size, 300)
})

test('the cookie tells nothing: neither the address nor the verifier', () => {
  const { flows } = aBrowser()
  const flow = flows.start(request)
  const seen = Buffer.from(flows.seal(flow), 'base64url')
  for (const text of ['app.example.com', flow.codeVerifier, flow.nonce, flow.state]) {
    assert.equal(seen.includes(text), false)
  }
})

test('a flow opens under its own id only', () => {
  const { flows } = aBrowser()
  const [mine, yours] = [flows.start(request), flows.start(request)]
  assert.equal(flows.open(yours.id, flows.seal(mine)), undefined)
})

test('a flow ends after 15 minutes', () => {
  const { flows, time } = aBrowser()
  const flow = flows.start(request)
  time.advance(flowLifetimeMs - 1)
  assert.notEqual(flows.open(flow.id, flows.seal(flow)), undefined)
  time.advance(1)
  assert.equal(flows.open(flow.id, flows.seal(flow)), undefined)
})

test('of two flows the older one’s id sorts first', () => {
  const { flows, time } = aBrowser()
  const older = flows.start(request)
  time.advance(1)
  assert.ok(older.id < flows.start(request).id)
})

test('the state names its flow', () => {
  const { flows } = aBrowser()
  const flow = flows.start(request)
  assert.equal(flowIdOfState(flow.state), flow.id)
  assert.equal(isFlowId(flow.id), true)
})

for (const state of ['', 'x', '.', `${'0'.repeat(17)}.short`, `${'0'.repeat(17)}.${'a'.repeat(43)}\n`, '__proto__']) {
  test(`no flow is named by the state ${JSON.stringify(state)}`, () => assert.equal(flowIdOfState(state), undefined))
}

test('states are compared as a whole', () => {
  assert.equal(sameState('abc', 'abc'), true)
  assert.equal(sameState('abc', 'abd'), false)
  assert.equal(sameState('abc', 'abcd'), false)
})

test('property: a damaged or made-up cookie opens nothing and never throws', () => {
  const { flows } = aBrowser()
  const flow = flows.start(request)
  const value = flows.seal(flow)
  fc.assert(
    fc.property(fc.string(), fc.nat(value.length - 1), fc.constantFrom('A', 'b', '-', '%', ' '), (text, at, letter) => {
      assert.equal(flows.open(flow.id, text), undefined)
      const damaged = value.slice(0, at) + letter + value.slice(at + 1)
      if (!Buffer.from(damaged, 'base64url').equals(Buffer.from(value, 'base64url'))) {
        assert.equal(flows.open(flow.id, damaged), undefined)
      }
    }),
    { numRuns: 300 },
  )
})
