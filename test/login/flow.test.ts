import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createFlows, flowCookieLength, flowIdOf, flowLifetimeMs, flowStartedAt } from '../../src/login/flow.ts'
import { createSealer } from '../../src/sealing.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { encryptionKey } from '../session/world.ts'

const origin = 'https://app.example.com'
const request = {
  redirectURI: `${origin}/oauth2/callback`,
  returnTo: `${origin}/a?b=%2F#c`,
  fresh: false,
  again: false,
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

/** Characters that hardly shrink. */
const noise = (length: number) => randomBytes(length).toString('base64url').slice(0, length)

test('what a flow remembers comes back from its state, the return address to the letter', () => {
  const { flows } = aBrowser()
  const { flow, state } = flows.start(request)
  assert.deepEqual(flows.read(state), flow)
  assert.equal(flow.returnTo, request.returnTo)
})

test('nonce, verifier and the browser’s secret are 256 random bits each, and no two flows share any', () => {
  const { flows } = aBrowser()
  const all = Array.from({ length: 100 }, () => flows.start(request))
  const secrets = all.flatMap(({ flow, cookie }) => [flow.nonce, flow.codeVerifier, cookie.slice(17)])
  for (const secret of secrets) assert.equal(Buffer.from(secret, 'base64url').length, 32)
  assert.equal(new Set(secrets).size, 300)
})

test('neither state nor cookie tells the address, the nonce, the verifier or what binds them', () => {
  const { flows } = aBrowser()
  const { flow, state, cookie } = flows.start(request)
  const seen = `${Buffer.from(state.slice(18), 'base64url').toString('latin1')} ${state} ${cookie}`
  for (const text of ['app.example.com', flow.codeVerifier, flow.nonce, flow.binding]) {
    assert.equal(seen.includes(text), false)
  }
  assert.equal(state.includes(cookie.slice(17)), false)
})

test('a flow is held by the browser that began it and by no other', () => {
  const { flows } = aBrowser()
  const [mine, yours] = [flows.start(request), flows.start(request)]
  assert.equal(flows.isHeldBy(mine.flow, mine.cookie), true)
  assert.equal(flows.isHeldBy(mine.flow, yours.cookie), false)
  assert.equal(flows.isHeldBy(mine.flow, mine.flow.id + yours.cookie.slice(17)), false)
  assert.equal(flows.isHeldBy(mine.flow, `${mine.cookie} `), false)
})

test('a flow is held for 15 minutes, and what it remembers is known after', () => {
  const { flows, time } = aBrowser()
  const { flow, state, cookie } = flows.start(request)
  time.advance(flowLifetimeMs - 1)
  assert.equal(flows.isHeldBy(flow, cookie), true)
  time.advance(1)
  assert.equal(flows.isHeldBy(flow, cookie), false)
  assert.equal(flows.read(state)?.returnTo, request.returnTo)
})

test('a cookie says which flow it is for and when that began, and has one size', () => {
  const { flows, time } = aBrowser()
  const { flow, state, cookie } = flows.start(request)
  assert.equal(flowIdOf(cookie), flow.id)
  assert.equal(flowStartedAt(flow.id), time.clock())
  assert.equal(cookie.length, flowCookieLength)
  assert.ok(state.startsWith(`${flow.id}.`))
  const long = flows.start({ ...request, returnTo: `${origin}/${noise(7_000)}` })
  assert.equal(long.cookie.length, flowCookieLength)
})

for (const cookie of [
  '',
  'x',
  '0'.repeat(17),
  `${'A'.repeat(9)}${'a'.repeat(51)}`,
  `${'0'.repeat(60)}\n`,
  '__proto__',
]) {
  test(`no flow is named by the cookie ${JSON.stringify(cookie)}`, () => assert.equal(flowIdOf(cookie), undefined))
}

const lengths: [name: string, path: string, kept: (path: string) => string][] = [
  ['2,600 characters that hardly shrink are kept whole', `/q?${noise(2_597)}`, (path) => path],
  ['8,000 characters of a usual kind are kept whole', `/q?${'filter=status%3Dopen&'.repeat(380)}`, (path) => path],
  ['a query that does not fit is left away, its path is kept', `/kept/path?${noise(6_000)}`, () => '/kept/path'],
  ['a fragment that does not fit is left away, too', `/kept?x#${noise(6_000)}`, () => '/kept'],
  ['of a path that does not fit the root remains', `/${noise(6_000)}?x`, () => '/'],
]
for (const [name, path, kept] of lengths) {
  test(`a long return address: ${name} (C11)`, () => {
    const { flows } = aBrowser()
    const { flow, state } = flows.start({ ...request, returnTo: origin + path })
    assert.equal(flow.returnTo, origin + kept(path))
    assert.equal(flows.read(state)?.returnTo, flow.returnTo)
    assert.ok(state.length <= 3_200, 'and the address of the login stays below 4 KB')
  })
}

test('property: a damaged or made-up state tells nothing and never throws', () => {
  const { flows } = aBrowser()
  const { state } = flows.start(request)
  fc.assert(
    fc.property(fc.string(), fc.nat(state.length - 1), fc.constantFrom('A', 'b', '-', '%', ' '), (text, at, letter) => {
      assert.equal(flows.read(text), undefined)
      const damaged = state.slice(0, at) + letter + state.slice(at + 1)
      const bytes = (of: string) => of.slice(0, 18) + Buffer.from(of.slice(18), 'base64url').toString('hex')
      if (bytes(damaged) !== bytes(state)) assert.equal(flows.read(damaged), undefined)
    }),
    { numRuns: 300 },
  )
})
