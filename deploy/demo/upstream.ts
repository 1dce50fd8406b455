// The application behind the gate, as far from OpenID as an application can be: it reads a few request headers.
import { createServer, type IncomingMessage } from 'node:http'
import { escapeHTML, htmlPage } from './html.ts'
import { closeServer, listenOn } from './listen.ts'

export interface DemoUpstream {
  readonly port: number
  stop(): Promise<void>
}

const accent = '#0b7a75'
const identity = /^(x-auth-request-|x-forwarded-user$|x-demo-)/

export async function startDemoUpstream(options: { port?: number } = {}): Promise<DemoUpstream> {
  const server = createServer((request, response) => {
    const url = request.url ?? '/'
    if (url.split('?')[0] === '/api/whoami') {
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      const user = header(request, 'x-auth-request-user')
      response.end(JSON.stringify({ user, url, method: request.method, headers: request.headers }))
      return
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(pageFor(url, request))
  })
  const port = await listenOn(server, options.port)
  return {
    port,
    stop: () => closeServer(server),
  }
}

function pageFor(url: string, request: IncomingMessage): string {
  const user = header(request, 'x-auth-request-user')
  const name = header(request, 'x-demo-name') || user
  const groups = header(request, 'x-auth-request-groups')
  const path = url.split('?')[0]
  const title =
    path === '/admin' ? 'The control room' : path === '/public' ? 'The front garden' : name ? `Hello, ${name}` : 'Hello'
  const lead =
    path === '/admin'
      ? 'Only members of <b>admins</b> get this far.'
      : path === '/public'
        ? 'Everybody may see this page; no sign-in is needed.'
        : 'This application has no login of its own. It only reads the headers that reached it.'
  return htmlPage({
    title: `${title} · sample application`,
    accent,
    body: `<h1>${escapeHTML(title)}</h1>
<p>${lead}</p>
<p class="soft">${user ? `Signed in as <b id="user">${escapeHTML(user)}</b>${groups ? `, member of ${escapeHTML(groups)}` : ''}.` : 'Nobody is signed in.'}
You asked for <code id="url">${escapeHTML(url)}</code>.</p>
<nav>
<a href="/">Home</a><a href="/reports?year=2026&amp;tags=a%2Fb">A deep link</a><a href="/admin">Admins only</a><a href="/public">Public</a>
${user ? '<a href="/oauth2/logout" id="logout">Sign out</a>' : '<a href="/">Sign in</a>'}
</nav>
<h2>A call from a script</h2>
<p class="soft">Signed in it answers JSON; afterwards, signed out in another tab, 401 with a login URL instead of a redirect.</p>
<p><button id="call" type="button">fetch('/api/whoami')</button></p>
<pre id="result" hidden></pre>
<h2>Headers that arrived</h2>
<table>${rows(request)}</table>
<script>
document.getElementById('call').addEventListener('click', async () => {
  const result = document.getElementById('result')
  result.hidden = false
  try {
    const answer = await fetch('/api/whoami', { headers: { accept: 'application/json' } })
    const { headers, ...body } = await answer.json()
    result.textContent = answer.status + ' ' + JSON.stringify(body, null, 2)
  } catch (error) {
    result.textContent = String(error)
  }
})
</script>`,
  })
}

function rows(request: IncomingMessage): string {
  return Object.entries(request.headers)
    .toSorted(([a], [b]) => Number(identity.test(b)) - Number(identity.test(a)) || a.localeCompare(b))
    .map(([name, value]) => {
      // Whoever looks over a shoulder must not see a session.
      const shown = name === 'cookie' ? '(cookies, not shown)' : [value ?? ''].flat().join(', ')
      return `<tr${identity.test(name) ? ' class="identity"' : ''}><td>${escapeHTML(name)}</td><td>${escapeHTML(shown)}</td></tr>`
    })
    .join('\n')
}

/** Values outside ASCII arrive percent-encoded. */
function header(request: IncomingMessage, name: string): string {
  const value = [request.headers[name] ?? ''].flat()[0] ?? ''
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
