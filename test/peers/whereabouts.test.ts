import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWhereabouts } from '../../src/peers/http-transport.ts'
import { namedWhereabouts, systemResolve } from '../../src/peers/whereabouts.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aTimer } from './fixture.ts'

const name = { host: 'foregate-headless', port: 4_181 }

function aName() {
  const logger = recordedLog()
  const { events } = logger
  const { timer, fire, delays } = aTimer()
  const asked: string[] = []
  let answer: () => Promise<readonly string[]> = () => Promise.resolve([])
  const resolve = (host: string) => {
    asked.push(host)
    return answer()
  }
  const whereabouts = namedWhereabouts({ name, resolve, runtime: { timer, logger } })
  /** The answer arrives, and what follows from it is done. */
  const next = async () => {
    fire(5_000)
    await new Promise((done) => setImmediate(done))
  }
  return { whereabouts, events, fire, delays, asked, next, answers: (with_: typeof answer) => (answer = with_) }
}

const found =
  (...addresses: string[]) =>
  () =>
    Promise.resolve(addresses)
const failed = () => Promise.reject(new Error('ENOTFOUND'))

test('addresses are those of the configuration', () => {
  const logger = recordedLog()
  const addresses = [
    { host: 'a', port: 1 },
    { host: '::1', port: 2 },
  ]
  const listen = { host: '0.0.0.0', port: 4_181 }
  const whereabouts = createWhereabouts({ addresses, dns: undefined, listen }, { timer: aTimer().timer, logger })
  assert.deepEqual(whereabouts.current(), ['a:1', '[::1]:2'])
})

test('a name stands for all of its addresses, each once, and the first answer is there after the start', async () => {
  const { whereabouts, answers, asked } = aName()
  answers(found('10.0.0.2', 'fd00::1', '10.0.0.1', '10.0.0.2'))
  assert.deepEqual(whereabouts.current(), [])
  await whereabouts.start()
  assert.deepEqual(whereabouts.current(), ['10.0.0.1:4181', '10.0.0.2:4181', '[fd00::1]:4181'])
  assert.deepEqual(asked, ['foregate-headless'])
})

test('the name is asked for every 5 seconds, after the answer to the question before', async () => {
  const { whereabouts, answers, delays, next, asked } = aName()
  answers(found('10.0.0.1'))
  await whereabouts.start()
  assert.deepEqual(delays(), [5_000])
  answers(found('10.0.0.3'))
  await next()
  assert.deepEqual(whereabouts.current(), ['10.0.0.3:4181'])
  answers(() => new Promise(() => undefined))
  await next()
  assert.deepEqual(delays(), [])
  assert.equal(asked.length, 3)
})

test('while the name is not answered, the last good answer counts; one line each tells of the change', async () => {
  const { whereabouts, answers, next, events } = aName()
  answers(found('10.0.0.1'))
  await whereabouts.start()
  answers(failed)
  await next()
  answers(found())
  await next()
  assert.deepEqual(whereabouts.current(), ['10.0.0.1:4181'])
  assert.deepEqual(events(), ['peers_not_found dns'])
  answers(found('10.0.0.2'))
  await next()
  assert.deepEqual(whereabouts.current(), ['10.0.0.2:4181'])
  assert.deepEqual(events(), ['peers_not_found dns', 'peers_found'])
})

test('a resolver that does not answer holds up no start', async () => {
  const { whereabouts, answers, fire } = aName()
  answers(() => new Promise(() => undefined))
  const started = whereabouts.start()
  fire(1_000)
  await started
  assert.deepEqual(whereabouts.current(), [])
})

test('an answer with thousands of addresses does not make thousands of peers', async () => {
  const { whereabouts, answers } = aName()
  answers(found(...Array.from({ length: 5_000 }, (_, index) => `10.1.${Math.floor(index / 250)}.${index % 250}`)))
  await whereabouts.start()
  assert.equal(whereabouts.current().length, 256)
})

test('after the stop nobody is asked', async () => {
  const { whereabouts, answers, delays } = aName()
  answers(found('10.0.0.1'))
  await whereabouts.start()
  whereabouts.stop()
  assert.deepEqual(delays(), [])
  const { whereabouts: late, answers: lateAnswers, delays: lateDelays } = aName()
  let arrive: (addresses: string[]) => void = () => {}
  lateAnswers(() => new Promise((resolve) => (arrive = resolve)))
  const started = late.start()
  late.stop()
  arrive(['10.0.0.1'])
  await started
  assert.deepEqual(lateDelays(), [])
})

test('the system’s resolver gives every address of a name', async () => {
  const addresses = await systemResolve('localhost')
  assert.ok(addresses.some((address) => address === '127.0.0.1' || address === '::1'))
})
