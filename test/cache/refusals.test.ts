import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRefusals } from '../../src/cache/refusals.ts'
import { StoreValueRejected } from '../../src/errors.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { failingWith } from '../fixtures/fake-store.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

function someRefusals() {
  const logger = recordedLog()
  const { storeRefusals } = createMetrics({ processMetrics: false })
  const refusals = createRefusals(logger, storeRefusals)
  const said = () => logger.lines.map(({ event, reason }) => (reason === undefined ? event : `${event} ${reason}`))
  return { refusals, said, count: (reason: string) => storeRefusals.labels({ reason }).value }
}

const [oom, readonly, noPermission, misconf] = [
  failingWith('oom')(),
  failingWith('readonly')(),
  failingWith('no_permission')(),
  failingWith('write_refused')(),
]

test('a Redis that takes no writes is told once, counted each time, and told once more when it takes them again', () => {
  const { refusals, said, count } = someRefusals()
  for (const method of ['set', 'compareAndSet', 'withdraw'] as const) refusals.failed(method, oom)
  assert.equal(refusals.fault()?.kind, 'oom')
  refusals.succeeded('set')
  refusals.succeeded('set')
  assert.equal(refusals.fault(), undefined)
  assert.deepEqual(said(), ['redis_writes_refused oom', 'redis_writes_accepted'])
  assert.equal(count('oom'), 3)
})

test('another reason is told, too', () => {
  const { refusals, said } = someRefusals()
  refusals.failed('set', oom)
  refusals.failed('set', readonly)
  refusals.failed('add', misconf)
  refusals.failed('add', noPermission)
  assert.deepEqual(said(), [
    'redis_writes_refused oom',
    'redis_writes_refused readonly',
    'redis_writes_refused write_refused',
    'redis_writes_refused no_permission',
  ])
})

test('a full Redis is full until something was written that needs room: what it takes all the same proves nothing', () => {
  for (const method of [
    'get',
    'add',
    'compareAndSet',
    'withdraw',
    'touch',
    'delete',
    'compareAndTouch',
    'compareAndDelete',
    'beat',
  ] as const) {
    const { refusals } = someRefusals()
    refusals.failed('set', oom)
    refusals.succeeded(method)
    assert.equal(refusals.fault()?.kind, 'oom', method)
  }
  for (const method of ['set', 'setUnlessMarked'] as const) {
    const { refusals } = someRefusals()
    refusals.failed('set', oom)
    refusals.succeeded(method)
    assert.equal(refusals.fault(), undefined, method)
  }
})

test('a beat that writes ends a read-only Redis: without traffic nobody else would notice', () => {
  const { refusals } = someRefusals()
  refusals.failed('beat', readonly)
  refusals.succeeded('get')
  assert.equal(refusals.fault()?.kind, 'readonly')
  refusals.succeeded('beat')
  assert.equal(refusals.fault(), undefined)
})

test('neither a read that is refused, nor anything else that goes wrong, is a refusal of writes', () => {
  const { refusals, said } = someRefusals()
  refusals.failed('get', noPermission)
  for (const kind of ['timeout', 'reset', 'own_delay', 'loading', 'script', 'other'] as const) {
    refusals.failed('set', failingWith(kind)())
  }
  refusals.failed('set', new StoreValueRejected('a list'))
  refusals.failed('set', new TypeError('no'))
  assert.equal(refusals.fault(), undefined)
  assert.deepEqual(said(), [])
})
