// Programs that run beside us and must not outlive us: nginx, HAProxy, Caddy, Foregate itself.
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

export interface Child {
  /** Everything it has printed so far, stdout and stderr. */
  readonly lines: readonly string[]
  readonly pid: number | undefined
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>
  kill(signal: NodeJS.Signals): void
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void>
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly onLine?: (line: string) => void
  /** A descriptor that it writes its output to, instead of `lines`. */
  readonly stdout?: number
}

export function startChild(command: string, args: readonly string[], options: ChildOptions = {}): Child {
  const child = spawn(command, args, {
    cwd: options.cwd,
    // Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`, ...options.env },
    stdio: ['ignore', options.stdout ?? 'pipe', 'pipe'],
  })
  const lines: string[] = []
  for (const input of [child.stdout, child.stderr]) {
    if (input === null) continue
    createInterface({ input }).on('line', (line) => {
      lines.push(line)
      options.onLine?.(line)
    })
  }
  const exited = new Promise<number | string>((resolve) => {
    child.on('error', (error) => {
      lines.push(String(error))
      resolve(127)
    })
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 1))
  })
  const reap = () => child.kill('SIGKILL')
  process.once('exit', reap)
  void exited.then(() => process.off('exit', reap))

  return {
    lines,
    pid: child.pid,
    exited,
    kill: (signal) => void child.kill(signal),
    async stop(graceMs = 5_000) {
      child.kill('SIGTERM')
      const timer = setTimeout(reap, graceMs)
      await exited
      clearTimeout(timer)
    },
  }
}

/** Waits until `probe` holds. Throws with the child's last lines if it ends before, or after `limitMs`. */
export async function untilReady(
  child: Child,
  name: string,
  probe: () => Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + limitMs
  let ended = false
  void child.exited.then(() => (ended = true))
  while (!(await probe())) {
    if (ended || Date.now() > deadline) {
      await child.stop(0)
      throw new Error(`${name} ${ended ? 'stopped' : 'did not get ready'}:\n${child.lines.slice(-20).join('\n')}`)
    }
    // Another process's port has no event to wait for.
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Whether somebody listens there. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
