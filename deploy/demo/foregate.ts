// Foregate as a user runs it: a process of its own with a configuration file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChild, untilReady } from './children.ts'
import { freePort } from './listen.ts'

export interface ForegateOptions {
  /** The configuration file's contents; `listen`, and `metrics.listen` where it is needed, are added. (JSON is YAML.) */
  readonly config: Readonly<Record<string, unknown>>
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
  readonly stdout?: number
}

export interface RunningForegate {
  readonly url: string
  /** Where health and metrics are: a port of their own in reverse-proxy mode. */
  readonly operatorURL: string
  readonly port: number
  readonly pid: number | undefined
  /** Log lines so far: JSON, one event each. */
  readonly lines: readonly string[]
  readonly exited: Promise<number | string>
  kill(signal: NodeJS.Signals): void
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Resolves once `/readyz` says yes. Rejects with its output if Foregate ends before. */
export async function startForegateProcess(options: ForegateOptions): Promise<RunningForegate> {
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const operatorPort = options.config['upstreams'] === undefined ? undefined : await freePort()
  const operatorURL = operatorPort === undefined ? url : `http://127.0.0.1:${operatorPort}`
  const directory = await mkdtemp(join(tmpdir(), 'foregate-'))
  const file = join(directory, 'config.yaml')
  // The file holds secrets.
  const config = {
    listen: `127.0.0.1:${port}`,
    ...(operatorPort !== undefined && { metrics: { listen: operatorPort } }),
    ...options.config,
  }
  await writeFile(file, JSON.stringify(config, null, 2), { mode: 0o600 })
  const child = startChild(process.execPath, [main, '--config', file], {
    ...(options.env && { env: options.env }),
    ...(options.onLine && { onLine: options.onLine }),
    ...(options.stdout !== undefined && { stdout: options.stdout }),
  })
  const clean = () => rm(directory, { recursive: true, force: true })
  try {
    await untilReady(child, 'foregate', () => isReady(`${operatorURL}/readyz`))
  } catch (error) {
    await clean()
    throw error
  }
  return {
    url,
    operatorURL,
    port,
    pid: child.pid,
    lines: child.lines,
    exited: child.exited,
    kill: (signal) => child.kill(signal),
    async stop() {
      await child.stop(15_000)
      await clean()
    },
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url)
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}
