// `make demo`: an OpenID provider, an application, and Foregate between them and you; nothing to install, no network needed.
// `PROXY=nginx make demo` puts a real nginx in front, configured by deploy/nginx/foregate.conf.
import { randomBytes } from 'node:crypto'
import { startForegateProcess, type RunningForegate } from './foregate.ts'
import { freePort } from './listen.ts'
import { startNginx, type RunningProxy } from './proxies.ts'
import { startDemoProvider } from './provider.ts'
import { startDemoUpstream } from './upstream.ts'

const running: { stop(): Promise<void> }[] = []
let stopping = false

async function stopAll(exitCode: number): Promise<void> {
  // Ctrl-C reaches npm, too, which passes it on: it may arrive twice.
  if (stopping) return
  stopping = true
  for (const part of running.toReversed()) await part.stop()
  process.exit(exitCode)
}
process.on('SIGINT', () => void stopAll(0))
process.on('SIGTERM', () => void stopAll(0))

const proxy = process.env['PROXY'] ?? ''
if (proxy !== '' && proxy !== 'nginx') {
  console.error(`PROXY=${proxy}: only nginx, or nothing for Foregate's own reverse-proxy mode`)
  process.exit(2)
}

try {
  await run()
} catch (error) {
  if (!stopping) {
    console.error(error instanceof Error ? error.message : error)
    await stopAll(1)
  }
}

async function run(): Promise<void> {
  const port = await freePort(8000)
  const provider = await startDemoProvider({
    port: 9400,
    applicationOrigins: [`http://localhost:${port}`, `http://127.0.0.1:${port}`],
  })
  running.push(provider)
  const upstream = await startDemoUpstream({ port: 8080 })
  running.push(upstream)

  const config = {
    providerURL: provider.issuer,
    clientID: provider.clientID,
    clientSecret: provider.clientSecret,
    sessionEncryptionKey: randomBytes(32).toString('base64'),
    scopes: ['openid', 'profile', 'email', 'groups'],
    // http://localhost; in production the default stays.
    forceHTTPS: false,
    // Nobody in front of it has to notice that it stops.
    drainDelay: 0,
    postLogoutRedirectURI: '/public',
    rules: [
      { path: '/public', policy: 'public' },
      { path: '/admin', policy: 'login', require: { groups: ['admins'] } },
    ],
  }
  const behindNginx = proxy === 'nginx'
  const foregate = await startForegateProcess({
    port: behindNginx ? await freePort(4180) : port,
    config: behindNginx
      ? config
      : {
          ...config,
          headers: [{ name: 'X-Demo-Name', template: '{{.Claims.name}}' }],
          upstreams: [{ path: '/', url: `http://127.0.0.1:${upstream.port}` }],
        },
    onLine: showTrouble,
  })
  running.push(foregate)
  void foregate.exited.then(async (code) => {
    if (stopping) return
    console.error(`foregate stopped (${code}):\n${foregate.lines.slice(-5).join('\n')}`)
    await stopAll(1)
  })
  let front: RunningProxy | undefined
  if (behindNginx) {
    front = await startNginx({ port, foregatePort: foregate.port, applicationPort: upstream.port })
    running.push(front)
  }
  welcome(`http://localhost:${port}`, provider.issuer, upstream.port, foregate, front !== undefined)
}

/** Foregate logs JSON; a visitor wants to hear of it only when something is wrong. What is no JSON is shown when it stops. */
function showTrouble(line: string): void {
  if (process.env['VERBOSE'] || /^\{"level":"(error|fatal)"/.test(line)) console.log(line)
}

function welcome(
  url: string,
  issuer: string,
  upstreamPort: number,
  foregate: RunningForegate,
  behindNginx: boolean,
): void {
  const toTry = [
    [`${url}/reports?year=2026`, 'you come back to exactly the page you asked for'],
    [`${url}/admin`, 'only for Alice; Bob reads why, and may switch'],
    [`${url}/public`, 'no sign-in needed'],
    [`${url}/oauth2/logout`, 'sign out, here and at the provider'],
    [`${foregate.operatorURL}/healthz`, 'state of the service'],
    [`${foregate.operatorURL}/metrics`, 'figures for Prometheus'],
  ] as const
  const width = Math.max(...toTry.map(([address]) => address.length)) + 3
  const between = behindNginx
    ? `nginx by deploy/nginx/foregate.conf asks Foregate ${foregate.url}`
    : 'Foregate is the reverse proxy'
  console.log(`
  Foregate is running. Open

      ${url}/

  and sign in as Alice (an administrator) or Bob (a user); there are no passwords. Then try:

${toTry.map(([address, what]) => `      ${address.padEnd(width)}${what}`).join('\n')}

  Provider ${issuer}, application http://127.0.0.1:${upstreamPort}; ${between}.
  VERBOSE=1 shows the log. Ctrl-C stops everything.
`)
}
