import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { admit, afterCall, afterFailure, closedCircuit, provedAlive, provedSilent } from '../../src/cache/circuit.ts'
import type { Call, Circuit } from '../../src/cache/circuit.ts'

const limits = { threshold: 2, openMs: 1_000 }
const closed = (failures: number, epoch = 4): Circuit => ({ at: 'closed', epoch, failures })
const open = (failures: number, until: number, epoch = 5): Circuit => ({ at: 'open', epoch, failures, until })
const halfOpen = (probing: boolean, epoch = 6): Circuit => ({ at: 'half-open', epoch, failures: 2, probing })
const call = (epoch: number, ok: boolean | undefined): Call => ({ epoch, ok, endedAt: 5_000 })

describe('after a call, the circuit', () => {
  const table: [name: string, before: Circuit, call: Call, after: Circuit][] = [
    ['stays closed on success', closed(0), call(4, true), closed(0)],
    ['counts a failure', closed(0), call(4, false), closed(1)],
    ['forgets failures on success: only consecutive ones count', closed(1), call(4, true), closed(0)],
    ['opens at the threshold', closed(1), call(4, false), open(2, 6_000)],
    ['does not count a call that never reached the store', closed(1), call(4, undefined), closed(1)],
    ['is closed by its probe', halfOpen(true), call(6, true), closed(0, 7)],
    ['is opened again by its probe', halfOpen(true), call(6, false), open(3, 6_000, 7)],
    ['wants another probe when the first never reached the store', halfOpen(true), call(6, undefined), halfOpen(false)],
    ['ignores a late success while half-open', halfOpen(true), call(4, true), halfOpen(true)],
    ['ignores a late failure while half-open', halfOpen(true), call(4, false), halfOpen(true)],
    ['ignores a late success while open', open(2, 6_000), call(4, true), open(2, 6_000)],
    ['ignores a late failure while open', open(2, 6_000), call(4, false), open(2, 6_000)],
    ['ignores a failure from before it was last open', closed(1, 8), call(4, false), closed(1, 8)],
    ['ignores the probe of an earlier half-open state', halfOpen(true, 9), call(6, true), halfOpen(true, 9)],
  ]
  for (const [name, before, it, after] of table) {
    test(name, () => assert.deepEqual(afterCall(before, it, limits), after))
  }
})

describe('asked for admission, the circuit', () => {
  const table: [name: string, before: Circuit, now: number, after: Circuit, admitted: number | undefined][] = [
    ['lets through while closed', closed(1), 5_000, closed(1), 4],
    ['turns away while open', open(2, 6_000), 5_999, open(2, 6_000), undefined],
    ['lets one probe through when its time is over', open(2, 6_000), 6_000, halfOpen(true), 6],
    ['lets the first through while half-open', halfOpen(false), 0, halfOpen(true), 6],
    ['turns away while its probe is out', halfOpen(true), 9_999_999, halfOpen(true), undefined],
  ]
  for (const [name, before, now, after, admitted] of table) {
    test(name, () => assert.deepEqual(admit(before, now), { circuit: after, admitted }))
  }
})

describe('after a failure outside any call, the circuit', () => {
  const table: [name: string, before: Circuit, after: Circuit][] = [
    ['counts it', closed(0), closed(1)],
    ['opens at the threshold', closed(1), open(2, 8_000)],
    ['neither waits longer for it nor counts it while open', open(2, 6_000), open(2, 6_000)],
    ['opens again from half-open', halfOpen(false), open(3, 8_000, 7)],
  ]
  for (const [name, before, after] of table) {
    test(name, () => assert.deepEqual(afterFailure(before, 7_000, limits), after))
  }
})

describe('proved alive, the circuit', () => {
  const table: [name: string, before: Circuit, after: Circuit][] = [
    ['does not wait any longer while open', open(2, 6_000), halfOpen(false)],
    ['leaves the decision to the probe while half-open', halfOpen(true), halfOpen(true)],
    ['forgets failures while closed', closed(1), closed(0)],
  ]
  for (const [name, before, after] of table) test(name, () => assert.deepEqual(provedAlive(before), after))
})

describe('proved silent, the circuit', () => {
  const table: [name: string, before: Circuit, after: Circuit][] = [
    ['opens at once, however few calls have failed', closed(0), open(1, 8_000)],
    ['keeps its count', closed(1), open(2, 8_000)],
    ['is not open for longer than it was', open(2, 6_000), open(2, 6_000)],
    ['opens again from half-open, whatever its probe may say', halfOpen(true), open(3, 8_000, 7)],
  ]
  for (const [name, before, after] of table) {
    test(name, () => assert.deepEqual(provedSilent(before, 7_000, limits), after))
  }

  test('does not listen to the probe that it overtook', () => {
    const silent = provedSilent(halfOpen(true), 7_000, limits)
    assert.deepEqual(afterCall(silent, call(6, true), limits), silent)
  })
})

test('whatever happens, at most one probe is out, and no call passes an open circuit before its time', () => {
  const event = fc.oneof(
    fc.record({ what: fc.constant('ask' as const), wait: fc.nat(700) }),
    fc.record({
      what: fc.constant('settle' as const),
      which: fc.nat(9),
      ok: fc.option(fc.boolean(), { nil: undefined }),
    }),
    fc.constant({ what: 'failure' as const }),
    fc.constant({ what: 'alive' as const }),
    fc.constant({ what: 'silent' as const }),
  )
  const noticed = {
    failure: (circuit: Circuit, now: number) => afterFailure(circuit, now, limits),
    alive: (circuit: Circuit) => provedAlive(circuit),
    silent: (circuit: Circuit, now: number) => provedSilent(circuit, now, limits),
  }
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      let circuit = closedCircuit
      let now = 1
      let out: number[] = []
      for (const it of events) {
        if (it.what === 'ask') {
          now += it.wait
          const before = circuit
          const { circuit: after, admitted } = admit(circuit, now)
          circuit = after
          if (before.at === 'open' && admitted !== undefined) assert.ok(now >= before.until)
          if (admitted !== undefined) out.push(admitted)
        } else if (it.what === 'settle') {
          const [epoch] = out.splice(it.which % Math.max(out.length, 1), 1)
          if (epoch !== undefined) circuit = afterCall(circuit, { epoch, ok: it.ok, endedAt: now }, limits)
        } else {
          circuit = noticed[it.what](circuit, now)
        }
        if (circuit.at !== 'half-open') continue
        const { epoch, probing } = circuit
        assert.equal(out.filter((admitted) => admitted === epoch).length, probing ? 1 : 0)
      }
    }),
  )
})
