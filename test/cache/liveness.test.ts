import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BeatOutcome } from '../../src/cache/beat-call.ts'
import type { CircuitState } from '../../src/cache/guarded.ts'
import { createLiveness } from '../../src/cache/liveness.ts'
import { fault } from '../../src/store/redis/faults.ts'
import { failingWith, unavailable } from '../fixtures/fake-store.ts'

/** What the circuit, the refusals and the counter are told. */
function told(
  outcome: BeatOutcome,
  given: { readonly circuit?: CircuitState; readonly noticesSilence?: boolean } = {},
): string[] {
  const { noticesSilence = true } = given
  let { circuit = 'open' } = given
  const story: string[] = []
  const ownDelays = {
    get value() {
      return 0
    },
    set value(_count) {
      story.push('own delay')
    },
  }
  createLiveness({
    guard: {
      circuit: () => circuit,
      failed: ({ kind }) => story.push(`failed: ${kind}`),
      get({ kind, id }) {
        story.push(`get ${kind} ${id}`)
        return unavailable()
      },
      provedAlive() {
        story.push('alive')
        circuit = 'half-open'
      },
      provedSilent: () => story.push('silent'),
    },
    refusals: {
      succeeded: (method) => story.push(`taken: ${method}`),
      failed: (method) => story.push(`refused: ${method}`),
      fault: () => undefined,
    },
    ownDelays,
    linkFault: () => fault('refused'),
    deadlineMs: 250,
    noticesSilence,
    replica: 'one',
  }).onBeat(outcome)
  return story
}

describe('a beat', () => {
  const answered = (tookMs: number): BeatOutcome => ({ kind: 'answered', tookMs })
  const failed = (kind: Parameters<typeof failingWith>[0]): BeatOutcome => ({
    kind: 'failed',
    error: failingWith(kind)(),
  })
  const table: [name: string, outcome: BeatOutcome, options: Parameters<typeof told>[1], story: string[]][] = [
    ['answered in time lets the one probe through', answered(250), {}, ['taken: beat', 'alive', 'get lease probe-one']],
    ['answered later than a request may wait proves nothing', answered(251), {}, ['taken: beat']],
    ['answered with a closed circuit has nothing to tell it', answered(1), { circuit: 'closed' }, ['taken: beat']],
    ['not answered says that Redis is silent', { kind: 'silent' }, {}, ['silent']],
    ['not answered, where nobody is to check, says nothing', { kind: 'silent' }, { noticesSilence: false }, []],
    ['without a connection says why there is none', { kind: 'unconnected' }, {}, ['failed: refused']],
    ['without a connection, where nobody is to check', { kind: 'unconnected' }, { noticesSilence: false }, []],
    ['that was refused is a refusal', failed('readonly'), {}, ['refused: beat']],
    ['that we had no time to look after is our own delay', failed('own_delay'), {}, ['own delay']],
  ]
  for (const [name, outcome, options, story] of table) {
    test(name, () => assert.deepEqual(told(outcome, options), story))
  }
})
