// The provider's metadata (OpenID Connect Discovery 1.0): found in the background, asked for again each hour, trusted for
// a day when the provider cannot be reached, and shared with the other replicas so that a restart begins warm.
import { createHash } from 'node:crypto'
import { ProviderUnavailable } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock, Timer } from '../time.ts'
import { seconds } from '../time.ts'
import type { Documents } from '../cache/documents.ts'
import { noDocument } from './faults.ts'
import { isObject, type JSONObject } from './json.ts'
import { freshMs, load, save, usableMs } from './document-cache.ts'
import type { Transport } from './transport.ts'
import { jsonObject } from './transport.ts'
import { oneLine } from './provider-text.ts'
import { tenantIn } from './tenants.ts'

/** What we use of the discovery document. Endpoints are absolute URLs that may be called (https, or loopback). */
export interface Metadata {
  readonly issuer: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly jwks_uri: string
  readonly userinfo_endpoint: string | undefined
  readonly end_session_endpoint: string | undefined
  readonly revocation_endpoint: string | undefined
  readonly registration_endpoint: string | undefined
  readonly pushed_authorization_request_endpoint: string | undefined
  /** `require_pushed_authorization_requests` (RFC 9126 section 5). */
  readonly requiresPushedRequests: boolean
  /** `dpop_signing_alg_values_supported` has ES256 (RFC 9449 section 5.1). */
  readonly offersDPoP: boolean
  readonly introspection_endpoint: string | undefined
  /** Signature algorithms of ID tokens that both sides know: asymmetric only. */
  readonly algorithms: readonly string[]
  /** `prompt_values_supported` (Initiating User Registration via OpenID Connect 1.0); undefined where it does not say. */
  readonly prompts: readonly unknown[] | undefined
  /** `token_endpoint_auth_methods_supported`; undefined where it does not say. */
  readonly authMethods: readonly string[] | undefined
  /** RFC 9207: every answer of the authorization endpoint carries `iss`. */
  readonly sendsIss: boolean
}

export interface MetadataSource {
  status(): 'starting' | 'ready' | 'failing'
  start(): void
  stop(): void
  current(): Metadata | undefined
  /**
   * Whoever waits for an unknown provider starts the next attempt at once, or joins the one under way: a flood of logins must not
   * become a flood of discovery requests, so that a second goes by between two. Throws ProviderUnavailable, with what is wrong.
   */
  require(): Promise<Metadata>
}

export interface MetadataOptions {
  readonly issuer: string
  /** How the document has to write it, where not as `issuer`. */
  readonly announced?: string | undefined
  /** Where the document is, when not under the issuer. */
  readonly discoveryURL: string | undefined
  readonly allowInsecure: boolean
  /** We show a certificate: the endpoints are those of `mtls_endpoint_aliases` where it has them. */
  readonly usesAliases: boolean
  readonly transport: Transport
  readonly cache: Documents
  readonly clock: Clock
  readonly timer: Timer
  /** 0 <= x < 1. */
  readonly random: () => number
  readonly logger: Logger
  /** Called with each document that comes into use. */
  readonly onKnown: (metadata: Metadata) => void
}

const maxBytes = 256 * 1024
const firstRetryMs = seconds(1)
const lastRetryMs = seconds(60)
/** While nothing is known yet nobody can log in, and the replica is not ready. */
const lastRetryUnknownMs = seconds(5)
const betweenAttemptsMs = seconds(1)

export function createMetadata(options: MetadataOptions): MetadataSource {
  const { issuer, allowInsecure, usesAliases, transport, cache, clock, timer, random, logger } = options
  const address = options.discoveryURL ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const id = createHash('sha256')
    .update(options.discoveryURL === undefined ? issuer : `${issuer} ${address}`)
    .digest('base64url')
  let known: { metadata: Metadata; fetchedAt: number } | undefined
  let attempt: Promise<void> | undefined
  let attemptEndedAt = -Infinity
  let failures = 0
  let lastFailure = ''
  let problem: 'none' | 'unreachable' | 'invalid' | undefined
  let callOff: (() => void) | undefined
  let running = false

  const current = (): Metadata | undefined =>
    known !== undefined && clock() - known.fetchedAt < usableMs ? known.metadata : undefined

  function use(document: JSONObject, fetchedAt: number): void {
    known = {
      metadata: parseMetadata(document, issuer, { allowInsecure, usesAliases, announced: options.announced }),
      fetchedAt,
    }
    options.onKnown(known.metadata)
  }

  // One line per change of state: an outage of an hour is two lines, not a line per attempt.
  function changed(to: NonNullable<typeof problem>, message: string, reason?: string): void {
    if (problem === to) return
    problem = to
    if (to === 'none') logger.info({ event: 'provider_ready', issuer }, message)
    else logger.warn({ event: 'provider_unavailable', issuer, reason: `discovery_${to}`, detail: reason }, message)
  }

  async function fetchDocument(): Promise<void> {
    const request = {
      operation: 'discovery',
      url: new URL(address),
      namedBy: options.discoveryURL === undefined ? 'providerURL' : 'discoveryURL',
      headers: { accept: 'application/json' },
      maxBytes,
    } as const
    const answer = await transport.send(request)
    if (answer.status !== 200) throw new ProviderUnavailable(noDocument(request, answer))
    const document = jsonObject(answer)
    if (document === undefined) throw new UnusableDocument(noDocument(request, answer))
    const fetchedAt = clock()
    use(document, fetchedAt)
    await save(cache, id, { fetchedAt, document })
  }

  async function refresh(): Promise<void> {
    try {
      await fetchDocument()
      failures = 0
      changed('none', 'the provider is known and answers')
    } catch (error) {
      failures += 1
      lastFailure = error instanceof Error ? error.message : 'unknown'
      changed(
        error instanceof UnusableDocument ? 'invalid' : 'unreachable',
        current() === undefined ? 'no provider metadata yet, trying again' : 'going on with the metadata known so far',
        lastFailure,
      )
    }
  }

  async function begin(): Promise<void> {
    const kept = await load(cache, id, clock)
    if (kept !== undefined) {
      try {
        use(kept.document, kept.fetchedAt)
      } catch {
        // Kept by a version with other rules: as if nothing had been kept.
      }
    }
    if (known === undefined || clock() - known.fetchedAt >= freshMs) await refresh()
  }

  function run(work: () => Promise<void>): void {
    callOff?.()
    attempt = work().finally(() => {
      attempt = undefined
      attemptEndedAt = clock()
      if (running) callOff = timer(() => run(refresh), nextDelayMs())
    })
  }

  function nextDelayMs(): number {
    // Spread over half the interval, so that replicas which started together do not ask together.
    const longest = current() === undefined ? lastRetryUnknownMs : lastRetryMs
    if (failures > 0) return Math.min(longest, firstRetryMs * 2 ** Math.min(failures - 1, 10)) * (0.5 + random() / 2)
    const age = known === undefined ? 0 : clock() - known.fetchedAt
    return Math.max(seconds(1), (freshMs - age) * (0.9 + random() / 10))
  }

  return {
    current,
    status: () => (known === undefined ? 'starting' : failures > 0 || current() === undefined ? 'failing' : 'ready'),
    start() {
      if (running) return
      running = true
      run(begin)
    },
    stop() {
      running = false
      callOff?.()
    },
    async require() {
      if (current() === undefined) {
        const mayStart = running && attempt === undefined && clock() - attemptEndedAt >= betweenAttemptsMs
        if (mayStart) run(refresh)
        await attempt
      }
      const metadata = current()
      if (metadata !== undefined) return metadata
      throw new ProviderUnavailable(`the provider is not known yet${lastFailure === '' ? '' : `: ${lastFailure}`}`)
    },
  }
}

/** The document was fetched, but is not (or no longer) one of the configured provider. */
class UnusableDocument extends Error {}

// Asymmetric only: with HS256 whoever knows the client secret could sign, and `none` is no signature at all.
export const asymmetric: readonly string[] =
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')

/** What a browser is sent to has no use for our certificate. */
const calledByUs = new Set([
  'token_endpoint',
  'userinfo_endpoint',
  'revocation_endpoint',
  'pushed_authorization_request_endpoint',
])

/** Discovery 1.0 sections 3 and 4.3. Throws UnusableDocument. */
export function parseMetadata(
  document: JSONObject,
  issuer: string,
  {
    allowInsecure,
    usesAliases = false,
    announced,
  }: { readonly allowInsecure: boolean; readonly usesAliases?: boolean; readonly announced?: string | undefined },
): Metadata {
  checkIssuer(document['issuer'], issuer, announced)
  const listed = document['mtls_endpoint_aliases']
  const aliases = usesAliases && isObject(listed) ? listed : {}
  const optional = (name: string): string | undefined => {
    const alias = calledByUs.has(name) && Object.hasOwn(aliases, name) ? aliases[name] : undefined
    // Not the other address in its place: it asks for no certificate, and would take us for nobody (RFC 8705 section 5).
    if (alias !== undefined && !(typeof alias === 'string' && mayBeCalled(alias, issuer, allowInsecure)))
      throw new UnusableDocument(`discovery: mtls_endpoint_aliases.${name} is not an https URL`)
    const value = alias ?? document[name]
    return typeof value === 'string' && mayBeCalled(value, issuer, allowInsecure) ? value : undefined
  }
  const required = (name: string): string => {
    const value = optional(name)
    if (value === undefined) throw new UnusableDocument(`discovery: ${name} is missing or not an https URL`)
    return value
  }
  const advertised = document['id_token_signing_alg_values_supported']
  // RS256 is what every provider must support (Core 15.1).
  const offered: readonly unknown[] = Array.isArray(advertised) ? advertised : ['RS256']
  const prompts = document['prompt_values_supported']
  const authMethods: unknown = document['token_endpoint_auth_methods_supported']
  const algorithms = asymmetric.filter((algorithm) => offered.includes(algorithm))
  if (algorithms.length === 0) {
    const named = oneLine(offered.join(', '), []) || 'nothing'
    throw new UnusableDocument(
      `discovery: the provider signs ID tokens with ${named}, we accept ${asymmetric.join(', ')}; change it in the client's settings there`,
    )
  }
  return {
    issuer,
    authorization_endpoint: required('authorization_endpoint'),
    token_endpoint: required('token_endpoint'),
    jwks_uri: required('jwks_uri'),
    userinfo_endpoint: optional('userinfo_endpoint'),
    end_session_endpoint: optional('end_session_endpoint'),
    revocation_endpoint: optional('revocation_endpoint'),
    registration_endpoint: optional('registration_endpoint'),
    pushed_authorization_request_endpoint: optional('pushed_authorization_request_endpoint'),
    offersDPoP: isListed(document['dpop_signing_alg_values_supported'], 'ES256'),
    requiresPushedRequests: document['require_pushed_authorization_requests'] === true,
    introspection_endpoint: optional('introspection_endpoint'),
    algorithms,
    prompts: Array.isArray(prompts) ? prompts : undefined,
    authMethods: Array.isArray(authMethods)
      ? authMethods.filter((method: unknown): method is string => typeof method === 'string')
      : undefined,
    sendsIss: document['authorization_response_iss_parameter_supported'] === true,
  }
}

const isListed = (list: unknown, word: string): boolean => Array.isArray(list) && list.includes(word)

/** Microsoft's document for many tenants names none of them: its template is the issuer of the tenant that the operator chose. */
function checkIssuer(found: unknown, issuer: string, announced = issuer): void {
  if (found === announced && !issuer.includes('{tenantid}')) return
  const written = typeof found === 'string' ? oneLine(found, []) : 'nothing'
  const [before, after, ...rest] = written.split('{tenantid}')
  if (before === undefined || after === undefined || rest.length > 0) {
    throw new UnusableDocument(
      `discovery: the provider calls itself ${written}, providerURL says ${issuer}; it must be written as the provider writes it, to the last slash`,
    )
  }
  if (tenantIn(written, issuer) !== undefined) return
  throw new UnusableDocument(
    `discovery: the provider calls itself ${written}, for any tenant; set providerURL to it with your tenant's id (a GUID) in place of {tenantid}, or allowedTenants`,
  )
}

/** https, or http on loopback for a provider that is there itself. */
export function mayBeCalled(value: string, issuer: string, allowInsecure: boolean): boolean {
  const url = URL.parse(value)
  if (url === null || url.username !== '' || url.password !== '') return false
  if (url.protocol === 'https:') return true
  const loopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname)
  // A provider on the network has no business on our loopback.
  return url.protocol === 'http:' && (allowInsecure || (loopback && issuer.startsWith('http:')))
}
