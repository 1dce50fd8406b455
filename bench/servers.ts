import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A server in its own process, with a meter of its CPU time. */
export interface MeteredServer {
  readonly port: number
  cpuMicros(): Promise<number>
  rss(): Promise<number>
  stop(): void
}

export async function startServer(kind: 'bare' | 'foregate', input: string): Promise<MeteredServer> {
  const script = fileURLToPath(new URL('server-under-test.ts', import.meta.url))
  const child = fork(script, [kind, input], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const { port } = await reply<{ port: number }>(child)
  const meter = async () => {
    const answer = reply<{ cpuMicros: number; rss: number }>(child)
    child.send('cpu')
    return answer
  }
  return {
    port,
    cpuMicros: async () => (await meter()).cpuMicros,
    rss: async () => (await meter()).rss,
    stop: () => child.disconnect(),
  }
}

async function reply<T>(child: ChildProcess): Promise<T> {
  const [message]: unknown[] = await once(child, 'message')
  // Sent by server-under-test.ts: the shape is what it wrote.
  return message as T
}
