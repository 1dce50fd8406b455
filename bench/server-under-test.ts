// One server in a process of its own, so that its CPU time is its own: `bare` (a Fastify handler that answers with the headers
// it is given) or `foregate`. Talks to the bench over IPC: says its port, answers `cpu` with its CPU time in microseconds.
import { fastify } from 'fastify'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config/load.ts'
import { createPlatform } from '../src/runtime.ts'
import { createLogger } from '../src/telemetry/pino.ts'
import { createMetrics } from '../src/telemetry/prometheus.ts'

const [kind = '', input = ''] = process.argv.slice(2)

async function listen(): Promise<number> {
  if (kind === 'bare') {
    // Written by the bench itself: names and values of headers.
    const headers = JSON.parse(input) as Record<string, string>
    const app = fastify({ logger: false })
    app.get('/auth', (_request, reply) => {
      void reply.headers(headers)
      void reply.send()
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const address = app.server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }
  const { config } = loadConfig({ text: input, env: {}, readFile: () => '' })
  const app = createApp(config, {
    ...createPlatform(),
    logger: createLogger({ level: 'warn' }),
    metrics: createMetrics({ processMetrics: false }),
  })
  return app.start()
}

const port = await listen()
process.on('message', (message) => {
  if (message !== 'cpu') return
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuMicros: user + system, rss: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port })
