// The numbers and names that operators copy: the same in deploy/, in docs/operations.md and in the code.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { durationMs } from '../../src/config/values.ts'
import { load } from '../config/load-fixture.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const { drainDelayMs, shutdownTimeoutMs } = load({}).config.server
/** For what follows shutdownTimeout: the last resort is 3 s after it. */
const graceMs = drainDelayMs + shutdownTimeoutMs + 5_000
const guide = read('docs/operations.md')

const deployment = parseAllDocuments(read('deploy/kubernetes/foregate.yaml'))
  .map((document) => document.toJS())
  .find(({ kind }) => kind === 'Deployment')
const pod = deployment.spec.template.spec
const compose = parse(read('docker-compose.yml')).services.foregate

test('whoever sends SIGKILL waits for drainDelay, shutdownTimeout and 5 s', () => {
  assert.equal(pod.terminationGracePeriodSeconds * 1_000, graceMs)
  assert.equal(durationMs(compose.stop_grace_period), graceMs)
  assert.match(guide, new RegExp(`terminationGracePeriodSeconds: ${graceMs / 1_000}`))
})

test('the guide names the defaults', () => {
  assert.match(guide, new RegExp(`after \`drainDelay\` \\(${drainDelayMs / 1_000} s\\)`))
  assert.match(guide, new RegExp(`up to \`shutdownTimeout\` \\(${shutdownTimeoutMs / 1_000} s\\)`))
})

test('every health check notices a draining replica within drainDelay', () => {
  const [{ readinessProbe }] = pod.containers
  assert.ok(readinessProbe.periodSeconds * readinessProbe.failureThreshold * 1_000 < drainDelayMs, 'Kubernetes')
  const traefik: string = compose.labels.find((label: string) => label.includes('healthcheck.interval='))
  assert.ok((durationMs(traefik.split('=')[1]) ?? Infinity) < drainDelayMs, 'Traefik')
  const [, inter, fall] = /inter (\S+) fall (\d+)/.exec(read('deploy/haproxy/replicas.cfg')) ?? []
  assert.ok((durationMs(inter) ?? Infinity) * Number(fall) < drainDelayMs, 'HAProxy')
})

test('no preStop hook and no draining pod that Kubernetes would still count: one new replica first', () => {
  assert.equal(pod.containers[0].lifecycle, undefined)
  assert.deepEqual(deployment.spec.strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
})

const sources = globSync('src/**/*.ts', { cwd: root })
  .map((path) => read(join('.', path)))
  .join('\n')
const table = (heading: string) => guide.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
const firstCells = (text: string) =>
  text
    .split('\n')
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''))

test('every event in the guide is one that the service logs', () => {
  const events = firstCells(table('Log events at 3 am'))
  assert.ok(events.length > 20)
  for (const event of events) assert.ok(sources.includes(`event: '${event}'`), event)
})

test('every warning and every error that the service logs is in the guide', () => {
  const events = firstCells(table('Log events at 3 am'))
  const logged = [...sources.matchAll(/(?:logger\.(?:warn|error)\(|warnOnce\(\s*logger,)\s*\{\s*event: '(\w+)'/g)].map(
    ([, event = '']) => event,
  )
  assert.ok(logged.length > 30)
  assert.deepEqual([...new Set(logged)].filter((event) => !events.includes(event)).toSorted(), [])
})

test('every metric in the guide is one that the service has', () => {
  const metrics = firstCells(table('What to watch')).filter((name) => name.startsWith('foregate_'))
  assert.ok(metrics.length > 5)
  for (const name of metrics) {
    const [bare = ''] = name.replace(/^foregate_/, '').split('{')
    assert.ok(sources.includes(`'${bare}'`), name)
  }
})
