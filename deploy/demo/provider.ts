// A real OpenID provider for the demo and the tests: two people, no passwords, everything in memory.
// Whoever can reach it is whoever they like, so nothing outside deploy/demo and test/ may start it.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTLSServer } from 'node:https'
import { exportJWK, generateKeyPair } from 'jose'
import type ProviderClass from 'oidc-provider'
import type { Context } from 'oidc-provider'
import { escapeHTML, htmlPage } from './html.ts'
import { closeServer, listenOn } from './listen.ts'

interface Person {
  readonly name: string
  readonly email: string
  readonly groups: readonly string[]
}

const demoPeople: Readonly<Record<string, Person>> = {
  alice: { name: 'Alice Ångström', email: 'alice@demo.test', groups: ['admins', 'users'] },
  bob: { name: 'Bob Baker', email: 'bob@demo.test', groups: ['users'] },
}

export interface DemoProviderOptions {
  /** Taken if free, otherwise any port. */
  readonly port?: number
  /** Origins (`http://localhost:8000`) whose `/oauth2/callback` may receive codes. */
  readonly applicationOrigins: readonly string[]
  readonly people?: Readonly<Record<string, Person>>
  /** Lifetime of access and ID tokens in seconds. Default 300. */
  readonly tokenSeconds?: number
  /** Called when somebody logs out there (Back-Channel Logout 1.0). */
  readonly backChannelLogoutURI?: string
  /** Known to browsers and to Foregate by another name than `http://127.0.0.1:<port>`: in a container. */
  /** Changes what is configured otherwise than usual: for tests. */
  readonly configure?: (usual: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
  /** Serves https as `https://localhost:<port>`, and asks clients for a certificate of `ca` (PEM): for tests. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string }
  readonly published?: { readonly issuer: string; readonly bind: string; readonly clientSecret: string }
}

export interface DemoProvider {
  readonly issuer: string
  readonly clientID: string
  readonly clientSecret: string
  /** Successful token-endpoint answers by grant type. */
  readonly grants: { authorization_code: number; refresh_token: number }
  stop(): Promise<void>
}

/** Beside a dispatcher, which looks at addresses. */
type CallOut = Required<Pick<RequestInit, 'method' | 'headers' | 'body' | 'redirect' | 'signal'>>

/** No second factor either: who is asked for it is believed. */
const demoAcrValues = ['password', 'second-factor']

function wantedAcr(parameters: Readonly<Record<string, unknown>> | undefined): string[] {
  const wanted = parameters?.['acr_values']
  return typeof wanted === 'string' ? wanted.split(' ').filter((acr) => demoAcrValues.includes(acr)) : []
}

const accent = '#7a3ea8'
const scopes = 'openid profile email groups offline_access'

export async function startDemoProvider(options: DemoProviderOptions): Promise<DemoProvider> {
  const people = options.people ?? demoPeople
  const restoreConsole = hushNotices()
  // Imported here, because the package already prints its first notice while it loads.
  const { default: Provider, interactionPolicy } = await import('oidc-provider')

  const { tls } = options
  const server =
    tls === undefined ? createServer() : createTLSServer({ ...tls, requestCert: true, rejectUnauthorized: false })
  const port = await listenOn(server, options.port, options.published?.bind)
  const origin = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  const issuer = options.published?.issuer ?? origin
  const clientSecret = options.published?.clientSecret ?? randomBytes(24).toString('base64url')
  const client = { clientID: 'foregate-demo', clientSecret }
  const tokenSeconds = options.tokenSeconds ?? 300
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })

  // "Switch account" asks for select_account, which the package leaves to us.
  const policy = interactionPolicy.base()
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0)
  // To the package `acr_values` are a wish; here whoever has not authenticated so is asked to.
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('acr_values', 'another way of signing in is asked for', ({ oidc }) => {
      const wanted = wantedAcr(oidc.params)
      return wanted.length > 0 && !wanted.includes(oidc.session?.acr ?? '')
    }),
  )

  const usual = {
    clients: [
      {
        client_id: client.clientID,
        client_secret: client.clientSecret,
        redirect_uris: options.applicationOrigins.map((origin) => `${origin}/oauth2/callback`),
        post_logout_redirect_uris: options.applicationOrigins.flatMap((origin) => [`${origin}/`, `${origin}/public`]),
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        ...(options.backChannelLogoutURI !== undefined && {
          backchannel_logout_uri: options.backChannelLogoutURI,
          backchannel_logout_session_required: true,
        }),
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'demo' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    pkce: { required: () => true },
    // The package's own refuses every address of a private network, where the demo's application is.
    fetch: (url: string, { method, headers, body, redirect, signal }: CallOut) =>
      fetch(url, { method, headers, body, redirect, signal }),
    scopes: scopes.split(' '),
    claims: {
      openid: ['sub', 'sid'],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username'],
      groups: ['groups'],
    },
    conformIdTokenClaims: false,
    acrValues: demoAcrValues,
    ttl: {
      AccessToken: tokenSeconds,
      IdToken: tokenSeconds,
      AuthorizationCode: 60,
      RefreshToken: 86_400,
      Interaction: 3_600,
      Session: 86_400,
      Grant: 86_400,
    },
    rotateRefreshToken: () => true,
    issueRefreshToken: async () => true,
    interactions: {
      policy,
      url: (_context: Context, interaction: { uid: string }) => `/interaction/${interaction.uid}`,
    },
    loadExistingGrant,
    findAccount: (_context: Context, id: string) => account(people, id),
    renderError: (context: Context, error: { error: string; error_description?: string }) => {
      context.type = 'html'
      context.body = errorPage(error.error_description ?? error.error)
    },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      backchannelLogout: { enabled: options.backChannelLogoutURI !== undefined },
      revocation: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context: Context, form: string) => {
          context.body = logoutPage(form)
        },
        postLogoutSuccessSource: (context: Context) => {
          context.body = htmlPage({
            title: 'Signed out',
            accent,
            body: '<h1>You are signed out of the demo provider</h1>',
          })
        },
      },
    },
  }
  const provider: ProviderClass = new Provider(issuer, options.configure?.(usual) ?? usual)

  /** The demo has one client, and it is ours: nobody is asked for consent. */
  async function loadExistingGrant(context: Context) {
    const { client: asking, session, result } = context.oidc
    if (asking === undefined || session?.accountId === undefined) return undefined
    const known = result?.consent?.grantId ?? session.grantIdFor(asking.clientId)
    const existing = known === undefined ? undefined : await provider.Grant.find(known)
    if (existing !== undefined) return existing
    const grant = new provider.Grant({ clientId: asking.clientId, accountId: session.accountId })
    grant.addOIDCScope(scopes)
    await grant.save()
    return grant
  }

  const grants = { authorization_code: 0, refresh_token: 0 }
  provider.on('grant.success', (context) => {
    const type = context.oidc.params?.['grant_type']
    if (type === 'authorization_code' || type === 'refresh_token') grants[type] += 1
  })

  const answer = provider.callback()
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return answer(request, response)
    interact(provider, people, request, response).catch(() => {
      response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' })
      response.end(errorPage('This sign-in has expired. Go back to the application and start again.'))
    })
  })

  return {
    issuer,
    ...client,
    grants,
    async stop() {
      await closeServer(server)
      restoreConsole()
    },
  }
}

function account(people: Readonly<Record<string, Person>>, id: string) {
  const person = people[id]
  if (person === undefined) return undefined
  const { name, email, groups } = person
  return {
    accountId: id,
    claims: () => ({ sub: id, name, preferred_username: id, email, email_verified: true, groups }),
  }
}

async function interact(
  provider: ProviderClass,
  people: Readonly<Record<string, Person>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { uid, prompt, params } = await provider.interactionDetails(request, response)
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(choicePage(uid, people))
    return
  }
  const choice = new URLSearchParams(await readBody(request)).get('person') ?? ''
  const result = Object.hasOwn(people, choice)
    ? { [prompt.name]: { accountId: choice }, login: { accountId: choice, acr: wantedAcr(params)[0] ?? 'password' } }
    : { error: 'access_denied', error_description: 'The person chose not to sign in' }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true })
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += String(chunk).slice(0, 4_096)
  return body
}

function choicePage(uid: string, people: Readonly<Record<string, Person>>): string {
  const buttons = Object.entries(people).map(
    ([id, { name, email, groups }]) =>
      `<button class="person" name="person" value="${escapeHTML(id)}"><span class="badge">${escapeHTML(id.slice(0, 1))}</span>` +
      `<span><b>${escapeHTML(name)}</b><span class="soft">${escapeHTML(email)} · ${escapeHTML(groups.join(', '))}</span></span></button>`,
  )
  return htmlPage({
    title: 'Demo provider: who are you?',
    accent,
    body: `<h1>Who would you like to be?</h1>
<p class="soft">This is the demo's OpenID provider. It knows two people and asks for no password.</p>
<form method="post" action="/interaction/${escapeHTML(uid)}">
${buttons.join('\n')}
<p><button name="person" value="">Cancel</button></p>
</form>`,
  })
}

/** Foregate has already asked, and sends an id_token_hint: the form submits itself, the button is for browsers without script. */
function logoutPage(form: string): string {
  return htmlPage({
    title: 'Demo provider: signing out',
    accent,
    body: `<h1>Signing out of the demo provider …</h1>
${form}
<p><button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button></p>
<script>document.querySelector('button[name=logout]').click()</script>`,
  })
}

function errorPage(message: string): string {
  return htmlPage({
    title: 'Demo provider: error',
    accent,
    body: `<h1>The demo provider cannot go on</h1><p>${escapeHTML(message)}</p>`,
  })
}

/** The package announces its development defaults on the console; here they are meant. */
function hushNotices(): () => void {
  const { info, warn } = console
  console.info = (...line: unknown[]) => (isNotice(line[0]) ? undefined : info(...line))
  console.warn = (...line: unknown[]) => (isNotice(line[0]) ? undefined : warn(...line))
  return () => {
    console.info = info
    console.warn = warn
  }
}

const isNotice = (line: unknown): boolean => typeof line === 'string' && line.includes('oidc-provider ')
