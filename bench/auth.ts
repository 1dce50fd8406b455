// CPU per `/auth`: Foregate beside a bare Fastify handler that returns the same headers, in one interleaved run. CPU time of
// the server's own process, not latency: that is what stays comparable on a shared machine.
import autocannon from 'autocannon'
import { createHttpClient } from '../test/fixtures/http-client.ts'
import { startProvider } from '../test/fixtures/provider.ts'
import { startRedis } from '../test/fixtures/redis.ts'
import { startServer, type MeteredServer } from './servers.ts'
import { redisLines, type BenchMode } from './sessions.ts'

export interface AuthFigures {
  /** Microseconds of CPU per request, median over the rounds. */
  readonly micros: number
  /** To the bare handler, median of the rounds' own ratios. */
  readonly ratio: number
  readonly ratios: readonly number[]
}

export type AuthTable = Readonly<Record<'bare' | BenchMode, AuthFigures>>

const rounds = 7
const requestsPerRound = 20_000
const connections = 16

/** `extraConfig`: YAML lines added to each configuration (rules, for the growth figures). */
export async function benchAuth(extraConfig = ''): Promise<AuthTable> {
  const provider = await startProvider()
  const redis = await startRedis()
  const common = `listen: 127.0.0.1:0
providerURL: ${provider.issuer}
clientID: ${provider.clientID}
clientSecret: ${provider.clientSecret}
sessionEncryptionKey: k9vPq2LxTz8RnW4bYc6HdJ1sFgMa7eUo0iXyZ3wB
forceHTTPS: false
drainDelay: 0
${extraConfig}
`
  const servers = new Map<keyof AuthTable, MeteredServer>()
  const requests = new Map<keyof AuthTable, Record<string, string>>()
  try {
    for (const mode of ['memory', 'hybrid', 'redis'] as const) {
      const server = await startServer('foregate', common + redisLines(mode, redis.address.port))
      const { headers, answered } = await logIn(`http://127.0.0.1:${server.port}`)
      servers.set(mode, server)
      requests.set(mode, headers)
      if (servers.has('bare')) continue
      servers.set('bare', await startServer('bare', JSON.stringify(answered)))
      requests.set('bare', headers)
    }
    const micros: Record<keyof AuthTable, number[]> = { bare: [], memory: [], hybrid: [], redis: [] }
    for (const [name, server] of servers) await round(server, requests.get(name) ?? {})
    for (let at = 0; at < rounds; at++) {
      for (const [name, server] of servers) micros[name].push(await round(server, requests.get(name) ?? {}))
    }
    const figures = (name: keyof AuthTable): AuthFigures => {
      const ratios = micros[name].map((value, at) => value / (micros.bare[at] ?? Number.NaN))
      return { micros: median(micros[name]), ratio: median(ratios), ratios }
    }
    return { bare: figures('bare'), memory: figures('memory'), hybrid: figures('hybrid'), redis: figures('redis') }
  } finally {
    for (const server of servers.values()) server.stop()
    await redis.close()
    await provider.close()
  }
}

/** CPU microseconds per request. */
async function round(server: MeteredServer, headers: Record<string, string>): Promise<number> {
  const before = await server.cpuMicros()
  const result = await autocannon({
    url: `http://127.0.0.1:${server.port}/auth`,
    connections,
    amount: requestsPerRound,
    headers,
  })
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${result.non2xx} requests were not allowed`)
  return ((await server.cpuMicros()) - before) / requestsPerRound
}

/** What a proxy sends for a logged-in person, and the headers that come back. */
async function logIn(base: string): Promise<{ headers: Record<string, string>; answered: Record<string, string> }> {
  const client = createHttpClient()
  const described = {
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': '/dashboard/overview?range=24h',
    'x-forwarded-for': '203.0.113.7',
  }
  for (;;) {
    const ready = await client.send(`${base}/readyz`)
    if (ready.status === 200) break
  }
  const start = await client.send(`${base}/oauth2/start`)
  const approved = await client.send(start.headers.location ?? '')
  await client.send(approved.headers.location ?? '')
  const cookie = client.cookies.header(new URL(base)) ?? ''
  const headers = {
    ...described,
    cookie,
    accept: 'text/html',
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Bench/1.0',
  }
  const allowed = await client.send(`${base}/auth`, { headers })
  if (allowed.status !== 200) throw new Error(`the bench could not log in: ${allowed.status} ${allowed.body}`)
  const own = new Set(['date', 'connection', 'keep-alive', 'content-length'])
  const answered = Object.fromEntries(
    Object.entries(allowed.headers).flatMap(([name, value]) =>
      own.has(name) || typeof value !== 'string' ? [] : [[name, value]],
    ),
  )
  return { headers, answered }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
