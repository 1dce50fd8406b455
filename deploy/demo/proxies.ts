// Real proxies, configured by the very files in deploy/: only the literals that each file's header names are substituted.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isListening, startChild, untilReady, type Child } from './children.ts'
import { freePort } from './listen.ts'

export interface ProxyOptions {
  /** Several: one per replica. */
  readonly foregatePort: number | readonly number[]
  readonly applicationPort: number
  /** Where to serve. Default: any free port. */
  readonly port?: number
  /** What an operator changes besides: gets the file with its addresses replaced. */
  readonly edit?: (file: string) => string
}

const unchanged = (file: string): string => file

export interface RunningProxy {
  readonly url: string
  readonly port: number
  readonly lines: readonly string[]
  stop(): Promise<void>
}

/** The file as it would be deployed, with the addresses of its header replaced. Throws if the file no longer contains one of them. */
async function deployedFile(path: string, replacements: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(new URL(`../${path}`, import.meta.url), 'utf8')
  for (const [literal, replacement] of Object.entries(replacements)) {
    if (!text.includes(literal)) throw new Error(`deploy/${path} no longer contains ${literal}`)
    text = text.replaceAll(literal, replacement)
  }
  return text
}

export async function startNginx(options: ProxyOptions): Promise<RunningProxy> {
  const port = options.port ?? (await freePort())
  const { foregatePort } = options
  const site = await deployedFile('nginx/foregate.conf', {
    // One line for each replica, as the file's comment says.
    '    server 127.0.0.1:4180 max_fails=0;': [foregatePort]
      .flat()
      .map((replica) => `    server 127.0.0.1:${replica} max_fails=0;`)
      .join('\n'),
    '127.0.0.1:8080': `127.0.0.1:${options.applicationPort}`,
    'listen 8000': `listen 127.0.0.1:${port}`,
  })
  return inDirectory('nginx', port, async (directory) => {
    await writeFile(join(directory, 'site.conf'), (options.edit ?? unchanged)(site))
    await writeFile(join(directory, 'nginx.conf'), nginxAround(directory))
    return startChild('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr'])
  })
}

/** What Debian's nginx.conf would put around a file in conf.d, without its system paths. */
function nginxAround(directory: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return [
    'daemon off;',
    // One process: were we killed, a worker without its master would live on.
    'master_process off;',
    `pid ${join(directory, 'nginx.pid')};`,
    'error_log stderr warn;',
    'events { worker_connections 1024; }',
    'http {',
    '  access_log off;',
    ...temporary.map((kind) => `  ${kind}_temp_path ${join(directory, kind)};`),
    `  include ${join(directory, 'site.conf')};`,
    '}',
  ].join('\n')
}

export async function startHaproxy(options: ProxyOptions): Promise<RunningProxy> {
  const port = options.port ?? (await freePort())
  const { foregatePort } = options
  const asked = typeof foregatePort === 'number' ? foregatePort : await freePort()
  const config = await deployedFile('haproxy/haproxy.cfg', {
    '127.0.0.1:4180': `127.0.0.1:${asked}`,
    '127.0.0.1:8080': `127.0.0.1:${options.applicationPort}`,
    '127.0.0.1:8000': `127.0.0.1:${port}`,
  })
  const lua = await deployedFile('haproxy/foregate.lua', {})
  const replicas =
    typeof foregatePort === 'number'
      ? ''
      : await deployedFile('haproxy/replicas.cfg', {
          '127.0.0.1:4190': `127.0.0.1:${asked}`,
          ...Object.fromEntries(foregatePort.map((port, index) => [`127.0.0.1:${4181 + index}`, `127.0.0.1:${port}`])),
        })
  return inDirectory('haproxy', port, async (directory) => {
    await writeFile(join(directory, 'haproxy.cfg'), (options.edit ?? unchanged)(config))
    await writeFile(join(directory, 'foregate.lua'), lua)
    await writeFile(join(directory, 'replicas.cfg'), replicas)
    return startChild('haproxy', ['-db', '-f', 'haproxy.cfg', '-f', 'replicas.cfg'], { cwd: directory })
  })
}

export async function startCaddy(options: ProxyOptions): Promise<RunningProxy> {
  const port = options.port ?? (await freePort())
  const config = await deployedFile('caddy/Caddyfile', {
    '127.0.0.1:4180': [options.foregatePort]
      .flat()
      .map((replica) => `127.0.0.1:${replica}`)
      .join(' '),
    '127.0.0.1:8080': `127.0.0.1:${options.applicationPort}`,
    ':8000': `:${port}`,
  })
  return inDirectory('caddy', port, async (directory) => {
    await writeFile(join(directory, 'Caddyfile'), (options.edit ?? unchanged)(config))
    const env = { XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory }
    return startChild('caddy', ['run', '--config', join(directory, 'Caddyfile'), '--adapter', 'caddyfile'], { env })
  })
}

async function inDirectory(
  name: string,
  port: number,
  start: (directory: string) => Promise<Child>,
): Promise<RunningProxy> {
  const directory = await mkdtemp(join(tmpdir(), `foregate-${name}-`))
  const child = await start(directory)
  await untilReady(child, name, () => isListening(port))
  return {
    url: `http://localhost:${port}`,
    port,
    lines: child.lines,
    async stop() {
      // Its clients' keep-alive connections need no grace.
      await child.stop(500)
      await rm(directory, { recursive: true, force: true })
    },
  }
}
