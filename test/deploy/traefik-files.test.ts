// Traefik is not at hand here, so its files are read as it reads them: which router takes a request (the greatest priority; by
// default the length of the rule), and which headers its middleware deletes (names in Go's canonical form).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { identityHeaders } from '../fixtures/identity-headers.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

interface Router {
  readonly rule: string
  readonly priority?: number
  readonly service: string
  readonly middlewares?: readonly string[]
}
interface ForwardAuth {
  readonly address: string
  readonly trustForwardHeader: boolean
  readonly authResponseHeaders: readonly string[]
  readonly authResponseHeadersRegex: string | undefined
  readonly maxResponseBodySize: number
}
interface Traefik {
  readonly file: string
  readonly routers: readonly Router[]
  readonly forwardAuth: ForwardAuth
}

function fromFile(): Traefik {
  const { http } = parse(read('deploy/traefik/foregate.yaml'))
  return {
    file: 'deploy/traefik/foregate.yaml',
    routers: Object.values(http.routers),
    forwardAuth: http.middlewares.foregate.forwardAuth,
  }
}

function fromKubernetes(): Traefik {
  const objects = parseAllDocuments(read('deploy/kubernetes/foregate.yaml')).map((document) => document.toJS())
  const ofKind = (kind: string) => objects.find((object) => object.kind === kind)
  interface Route {
    readonly match: string
    readonly priority?: number
    readonly services: readonly { readonly name: string }[]
    readonly middlewares?: readonly { readonly name: string }[]
  }
  const routes: readonly Route[] = ofKind('IngressRoute').spec.routes
  return {
    file: 'deploy/kubernetes/foregate.yaml',
    routers: routes.map(({ match, priority, services, middlewares = [] }) => ({
      rule: match,
      ...(priority !== undefined && { priority }),
      service: services[0]?.name ?? '',
      middlewares: middlewares.map(({ name }) => name),
    })),
    forwardAuth: ofKind('Middleware').spec.forwardAuth,
  }
}

/** Labels, as Compose hands them on: `$$` is one `$`. Their keys are in any letter case. */
function fromCompose(): Traefik {
  const compose = parse(read('docker-compose.yml'))
  const labels = new Map<string, string>()
  for (const service of ['foregate', 'whoami']) {
    for (const label of compose.services[service].labels as string[]) {
      const at = label.indexOf('=')
      labels.set(label.slice(0, at), label.slice(at + 1).replaceAll('$$', '$'))
    }
  }
  const label = (key: string) => labels.get(key) ?? ''
  const names = [...labels.keys()].flatMap((key) => /^traefik\.http\.routers\.([^.]+)\.rule$/.exec(key)?.[1] ?? [])
  const router = (name: string): Router => {
    const of = (key: string) => label(`traefik.http.routers.${name}.${key}`)
    return {
      rule: of('rule'),
      ...(of('priority') !== '' && { priority: Number(of('priority')) }),
      // Without one Traefik takes the only one of the container.
      service: of('service') === '' ? 'application' : of('service'),
      middlewares: of('middlewares').split(',').filter(Boolean),
    }
  }
  const of = (key: string) => label(`traefik.http.middlewares.foregate.forwardauth.${key}`)
  return {
    file: 'docker-compose.yml',
    routers: names.map(router),
    forwardAuth: {
      address: of('address'),
      trustForwardHeader: of('trustforwardheader') !== 'false',
      authResponseHeaders: of('authresponseheaders').split(','),
      authResponseHeadersRegex: of('authresponseheadersregex'),
      maxResponseBodySize: Number(of('maxresponsebodysize')),
    },
  }
}

interface Request {
  readonly method?: string
  readonly path?: string
  readonly upgrade?: readonly string[]
}

/** Who takes it: the service, and whether it is asked about first. */
function routed({ routers }: Traefik, request: Request): { service: string; asked: boolean } | undefined {
  const taken = routers
    .toSorted((a, b) => (b.priority ?? b.rule.length) - (a.priority ?? a.rule.length))
    .find(({ rule }) => matches(rule, request))
  return taken && { service: taken.service, asked: taken.middlewares?.includes('foregate') ?? false }
}

function matches(rule: string, { method = 'GET', path = '/', upgrade = [] }: Request): boolean {
  const matchers: Record<string, (...given: string[]) => boolean> = {
    Host: (host = '') => host === 'app.example.com',
    Method: (wanted) => wanted === method,
    PathPrefix: (prefix = '') => path.startsWith(prefix),
    HeaderRegexp: (name, pattern = '') =>
      name === 'Upgrade' && upgrade.some((value) => new RegExp(pattern).test(value)),
  }
  const terms = rule.replaceAll(/(\w+)\(((?:`[^`]*`(?:, )?)+)\)/g, (_all, matcher: string, given: string) => {
    const decide = matchers[matcher]
    assert.ok(decide !== undefined, `${matcher} is not known to this test`)
    return decide(...[...given.matchAll(/`([^`]*)`/g)].map(([, value = '']) => value)) ? '1' : '0'
  })
  return reduced(terms.replaceAll(' ', ''))
}

/** `1&&!(0||1)`, by rewriting until one digit is left. */
function reduced(terms: string): boolean {
  const once = terms
    .replaceAll('!0', '1')
    .replaceAll('!1', '0')
    .replaceAll(/\(([01])\)/g, '$1')
    .replace(/([01])&&([01])/, (_all, a, b) => (a === '1' && b === '1' ? '1' : '0'))
    .replace(/(^|\()([01])\|\|([01])(?=\)|$|\|)/, (_all, before, a, b) => before + (a === '1' || b === '1' ? '1' : '0'))
  if (once !== terms) return reduced(once)
  assert.match(terms, /^[01]$/)
  return terms === '1'
}

const tunnels: readonly (readonly string[])[] = [
  ['h2c'],
  ['H2C'],
  ['websocket, h2c'],
  ['h2c,websocket'],
  ['h2c', 'websocket'],
  ['websocket', 'h2c'],
  [''],
  ['websockets'],
  ['xwebsocket'],
  ['websocke'],
  ['webSOCKEt '],
  ['websocke\u212a'],
  ['web\u017focket'],
  ['wébsocket'],
  ['websocket/13'],
  ['HTTP/2.0'],
  ['TLS/1.0'],
  ['connect-udp'],
  ['aebsocket'],
  ['websocked'],
]

/** Names with a hyphen, an underscore or a dot at each joint, as Go's canonical form leaves them. */
function aliases(name: string): string[] {
  const [first = '', ...rest] = name.split('-')
  const all = rest.reduce(
    (names, part) => names.flatMap((prefix) => ['-', '_', '.'].map((mark) => prefix + mark + part)),
    [first],
  )
  return all.filter((alias) => alias !== name).map(canonical)
}

const canonical = (name: string) =>
  name
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join('-')

for (const traefik of [fromFile(), fromKubernetes(), fromCompose()]) {
  const { file, forwardAuth } = traefik
  describe(file, () => {
    // None at all deletes nothing, where an empty expression would match everything.
    const others = new RegExp(forwardAuth.authResponseHeadersRegex || '(?!)')
    const deletes = (name: string) => forwardAuth.authResponseHeaders.includes(name) || others.test(name)

    test('the middleware believes no client, and hands on every identity header', () => {
      assert.equal(forwardAuth.trustForwardHeader, false)
      assert.equal(new URL(forwardAuth.address).pathname, '/auth/traefik')
      assert.deepEqual(forwardAuth.authResponseHeaders, identityHeaders)
      assert.ok(forwardAuth.maxResponseBodySize > 0)
    })

    test('every path is asked about but the pages, which have a route of their own', () => {
      for (const path of ['/', '/public', '/oauth2', '/oauth2x/start', '/auth/traefik', '/auth', '/metrics']) {
        const taken = routed(traefik, { path })
        assert.ok(taken?.asked && taken.service !== 'foregate', path)
      }
      for (const path of ['start', 'callback', 'logout', 'sign_in', 'sign_out', 'signed_out', 'userinfo', 'sessions']) {
        assert.deepEqual(routed(traefik, { path: `/oauth2/${path}` }), { service: 'foregate', asked: false })
      }
    })

    test('the question is no page: whatever it answers goes to the proxy (B7)', () => {
      for (const path of ['/oauth2/auth', '/oauth2/auth/', '/oauth2/auth/traefik', '/auth/envoy/x', '/auth/nginx']) {
        assert.notEqual(routed(traefik, { path })?.service, 'foregate', path)
      }
    })

    test('no tunnel but a WebSocket reaches anybody (B1)', () => {
      const isServed = (request: Request) => ![undefined, 'noop@internal'].includes(routed(traefik, request)?.service)
      for (const upgrade of tunnels) assert.ok(!isServed({ path: '/public', upgrade }), JSON.stringify(upgrade))
      assert.ok(!isServed({ method: 'CONNECT' }))
      assert.ok(!isServed({ method: 'CONNECT', upgrade: ['websocket'] }))
      for (const upgrade of ['websocket', 'WebSocket', 'WEBSOCKET']) {
        assert.ok(routed(traefik, { path: '/socket', upgrade: [upgrade] })?.asked, upgrade)
      }
    })

    test('every other spelling of every header is deleted, of the configured ones, too (B14, E8)', () => {
      for (const name of [...identityHeaders, 'X-Access-Token', 'X-Original-Url', 'X-Forwarded-Uri']) {
        for (const alias of aliases(name)) assert.ok(deletes(alias), alias)
      }
      for (const mark of "!#$%&'*+^`|~") assert.ok(deletes(`X${mark}auth${mark}request${mark}user`), mark)
    })

    test('what looks like ours is deleted, what is the application’s own passes (B14)', () => {
      const ours = ['X-Auth-Request-Redirect', 'X-Auth-Request-Access-Token', 'X-Original-Uri', 'X-Rewrite-Url']
      const known = [
        'Forwarded',
        'Http2-Settings',
        'X-Forwarded-Email',
        'X-Forwarded-Groups',
        'X-Forwarded-Access-Token',
      ]
      for (const name of [...ours, ...known]) assert.ok(deletes(name), name)
      const theirs = ['Cookie', 'Authorization', 'Accept', 'Upgrade', 'Connection', 'Sec-Websocket-Key', 'X-Csrf-Token']
      const traefiks = ['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Real-Ip', 'X-Requested-With']
      for (const name of [...theirs, ...traefiks, 'X-Auth-Token']) assert.ok(!deletes(name), name)
    })
  })
}

test('Traefik itself refuses underscores and believes no forwarded header (E8)', () => {
  const entry = parse(read('deploy/traefik/traefik.yaml')).entryPoints.web
  assert.equal(entry.http.underscoreHeadersStrategy, 'reject')
  assert.deepEqual(entry.forwardedHeaders.trustedIPs, [])
  const { command } = parse(read('docker-compose.yml')).services.traefik
  assert.ok(command.includes('--entrypoints.web.http.underscoreheadersstrategy=reject'))
})
