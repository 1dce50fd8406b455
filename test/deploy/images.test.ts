// There is no container engine where the tests run. What can be said without one: that the files fit the project and each other.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig } from '../../src/load-config.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const secret = 'k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa'

interface Instruction {
  readonly stage: string
  readonly word: string
  readonly rest: string
}

function instructions(dockerfile: string): Instruction[] {
  let stage = ''
  return dockerfile
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => {
      const [word = '', ...rest] = line.split(' ')
      if (word === 'FROM') stage = / AS (\S+)$/.exec(line)?.[1] ?? 'final'
      return { stage, word, rest: rest.join(' ') }
    })
}

const dockerfile = instructions(read('Dockerfile'))
const inFinal = (word: string) =>
  dockerfile.filter((one) => one.stage === 'final' && one.word === word).map((one) => one.rest)
const manifest = JSON.parse(read('package.json'))

test('everything that the Dockerfile copies exists, and is sent to the builder', () => {
  const sent = new Set([...read('.dockerignore').matchAll(/^!(.+)$/gm)].map((match) => match[1]))
  const copied = dockerfile
    .filter(({ word, rest }) => word === 'COPY' && !rest.startsWith('--from'))
    .flatMap(({ rest }) => rest.split(' ').slice(0, -1))
  assert.ok(copied.length > 0)
  for (const path of copied) {
    assert.ok(existsSync(join(root, path)), `${path} exists`)
    assert.ok(sent.has(path.replace(/\/$/, '')), `.dockerignore lets ${path} through`)
  }
})

test('every npm script that the Dockerfile and the Makefile run is in package.json', () => {
  const text = dockerfile.map(({ rest }) => rest).join('\n') + read('Makefile')
  const scripts = [...text.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map((match) => match[1] ?? '')
  assert.ok(scripts.length > 0)
  for (const script of [...scripts, 'test', 'start']) assert.ok(manifest.scripts[script], `npm run ${script}`)
})

test('the image runs what package.json calls foregate, not as root, and stops on the signal that main handles', () => {
  const command: string[] = JSON.parse(inFinal('CMD')[0] ?? '[]')
  assert.ok(command.includes(manifest.bin.foregate))
  assert.deepEqual(inFinal('USER'), ['node'])
  assert.deepEqual(inFinal('STOPSIGNAL'), ['SIGTERM'])
  assert.ok(inFinal('COPY').some((rest) => rest.includes('--from=build') && rest.includes('/app/dist')))
})

test('the image carries production dependencies only', () => {
  const modules = inFinal('COPY').find((rest) => rest.includes('node_modules')) ?? ''
  const from = /--from=(\S+)/.exec(modules)?.[1]
  const installs = dockerfile.filter(({ stage, word }) => stage === from && word === 'RUN').map(({ rest }) => rest)
  assert.deepEqual(installs, ['npm ci --omit=dev'])
})

const kubernetes = parseAllDocuments(read('deploy/kubernetes/foregate.yaml')).map((document) => {
  assert.deepEqual(document.errors, [])
  return document.toJS()
})
const ofKind = (kind: string) => kubernetes.find((object) => object.kind === kind)
const compose = parse(read('docker-compose.yml'))

test('the port is the same in image, Kubernetes and compose', () => {
  assert.deepEqual(inFinal('EXPOSE'), ['4180'])
  assert.ok(inFinal('HEALTHCHECK')[0]?.includes('127.0.0.1:4180/livez'))
  const [container] = ofKind('Deployment').spec.template.spec.containers
  assert.equal(container.ports[0].containerPort, 4180)
  assert.equal(ofKind('Service').spec.ports[0].port, 4180)
  assert.equal(new URL(ofKind('Middleware').spec.forwardAuth.address).port, '4180')
  assert.ok(compose.services.foregate.labels.includes('traefik.http.services.foregate.loadbalancer.server.port=4180'))
})

test('the configuration in the Kubernetes file is valid, and every secret it names is mounted where it looks', () => {
  const { spec } = ofKind('Deployment').spec.template
  const mounts: { mountPath: string }[] = spec.containers[0].volumeMounts
  const mounted = new Set(mounts.map((mount) => mount.mountPath))
  const asked: string[] = []
  const { config } = loadConfig({
    text: ofKind('ConfigMap').data['config.yaml'],
    env: {},
    readFile: (path) => {
      asked.push(path)
      return secret
    },
  })
  config.redis.password?.()
  assert.equal(config.redis.mode, 'hybrid')
  assert.ok(asked.length >= 2, 'secrets are read from files')
  for (const path of asked) assert.ok(mounted.has(path.slice(0, path.lastIndexOf('/'))), `${path} is mounted`)
})

test('in Kubernetes three replicas run without privileges, and probes look where nothing shared can fail them together', () => {
  const { replicas, template } = ofKind('Deployment').spec
  const [container] = template.spec.containers
  assert.equal(replicas, 3)
  assert.equal(template.spec.securityContext.runAsNonRoot, true)
  assert.equal(container.securityContext.readOnlyRootFilesystem, true)
  assert.equal(container.securityContext.allowPrivilegeEscalation, false)
  assert.equal(container.livenessProbe.httpGet.path, '/livez')
  assert.equal(container.readinessProbe.httpGet.path, '/readyz')
  assert.equal(ofKind('PodDisruptionBudget').spec.maxUnavailable, 1)
})

test('the configuration of docker-compose.yml is valid with the environment that it sets', () => {
  const names = Object.keys(compose.services.foregate.environment)
  const env = Object.fromEntries(names.map((name) => [name, secret]))
  const { config } = loadConfig({
    text: read('deploy/compose/foregate.yaml'),
    env,
    readFile: () => assert.fail('no files are needed'),
  })
  assert.equal(config.redis.mode, 'hybrid')
  assert.equal(config.provider.providerURL, compose.services.provider.environment.ISSUER)
  assert.equal(config.redis.address?.host, 'redis')
  assert.equal(compose.services.foregate.deploy.replicas, 3)
  const [source] = compose.services.foregate.volumes[0].split(':')
  assert.ok(existsSync(join(root, source)))
})
