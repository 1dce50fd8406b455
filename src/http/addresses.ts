// Under which addresses browsers reach us and the application: derived from the original request, in one place.
import { defaultProvider } from '../config/provider-name.ts'
import type { IsHandoverHost } from '../config/handover.ts'
import type { StepUp } from '../oidc/provider.ts'
import { stepUpParameters } from './step-up.ts'
import { safeReturnURL, type ReturnRefusal } from './return-url.ts'

/** Our own pages and endpoints, apart from callback and logout, below `pathPrefix`. */
const ownPaths = (pathPrefix: string) => ({
  start: `${pathPrefix}/start`,
  handover: `${pathPrefix}/handover`,
  signIn: `${pathPrefix}/sign_in`,
  signOut: `${pathPrefix}/sign_out`,
  signedOut: `${pathPrefix}/signed_out`,
  userinfo: `${pathPrefix}/userinfo`,
  jwks: `${pathPrefix}/jwks`,
  session: `${pathPrefix}/session`,
  sessions: `${pathPrefix}/sessions`,
  auth: `${pathPrefix}/auth`,
})

/** RFC 9728 section 3: well-known, on each protected host. */
export const resourceMetadataPath = '/.well-known/oauth-protected-resource'

export interface Addresses {
  /** `/oauth2/`: nothing below it is the application's. */
  readonly ownPrefix: string
  readonly ownPath: Readonly<ReturnType<typeof ownPaths>>
  /** Where browsers come back to: by the provider's name; of the one at the top by `default`. */
  readonly callbackPaths: ReadonlyMap<string, string>
  readonly logoutPath: string
  /** Where providers speak to us, whether or not anybody listens. */
  readonly signalPath: SignalPaths
  isOwnPath(path: string): boolean
  /** Ours only where tokens count. */
  isResourceMetadata(path: string): boolean
  /** `scheme://host` of the application that was asked for. */
  origin(request: HostAndScheme): string
  readonly publicURL: string | undefined
  /** Where our own endpoints are reached: `publicURL`, else, and where sessions are handed over to, the application's own origin. */
  ownOrigin(request: HostAndScheme): string
  /** Where logins happen: `publicURL`, else the application's own origin. */
  loginOrigin(request: HostAndScheme): string
  /** Whether a cookie that is set with the answer to this request comes along to our own endpoints. */
  sharesCookies(request: HostAndScheme): boolean
  /** Of the provider of this name; else of the one at the top of the configuration. */
  redirectURI(request: HostAndScheme, provider?: string): string
  /** Our start of a login that comes back to `returnTo`. `again`: see Flow. */
  startURL(request: HostAndScheme, returnTo: string, options?: StartOptions): string
  /** The page where a person chooses how to begin it. */
  signInURL(request: HostAndScheme, returnTo: string, options?: StartOptions): string
  /** `candidate` if it stays on the allowed sites and does not lead to one of our own paths; undefined otherwise. */
  returnURL(request: HostAndScheme, candidate: string | undefined): string | undefined
  /** The same, with the reason where it is refused. */
  judgeReturn(request: HostAndScheme, candidate: string): { url: string } | { refused: ReturnRefusal | 'own_path' }
}

export interface StartOptions {
  readonly prompt?: 'select_account' | 'login'
  readonly again?: boolean
  /** Its name, where there are several. */
  readonly provider?: string | undefined
  readonly stepUp?: StepUp | undefined
}

export interface HostAndScheme {
  readonly scheme: 'http' | 'https'
  readonly host: string
}

export interface SignalPaths {
  readonly backChannelLogout: string
  readonly frontChannelLogout: string
  readonly securityEvents: string
}

function loginQuery(returnTo: string, { prompt, again, provider, stepUp }: StartOptions = {}): URLSearchParams {
  return new URLSearchParams({
    rd: returnTo,
    ...(provider !== undefined && { provider }),
    ...(prompt && { prompt }),
    ...(again && { again: '1' }),
    ...(stepUp && stepUpParameters(stepUp)),
  })
}

/** As a router reads it; as it is where it is damaged. */
function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return pathname
  }
}

export function createAddresses(config: {
  pathPrefix: string
  callbackPath: string
  /** Names of the configured providers. */
  providers?: readonly string[]
  logoutPath: string
  signalPath: SignalPaths
  publicURL: string | undefined
  forceHTTPS: boolean
  cookieDomain: string | undefined
  allowedRedirectHosts: readonly string[]
  /** Each protected host describes itself to programs (RFC 9728). */
  describesResources?: boolean
  /** See SessionConfig. */
  isHandoverHost?: IsHandoverHost
}): Addresses {
  const { callbackPath, logoutPath, signalPath, publicURL, forceHTTPS } = config
  const ownPrefix = `${config.pathPrefix}/`
  const ownPath = ownPaths(config.pathPrefix)
  const callbackPaths = new Map(
    (config.providers ?? [defaultProvider]).map((name) => [
      name,
      name === defaultProvider ? callbackPath : `${callbackPath}/${name}`,
    ]),
  )
  const elsewhere = new Set([...callbackPaths.values(), logoutPath, ...Object.values(signalPath)])
  const { describesResources = false } = config
  const isResourceMetadata = (path: string) =>
    describesResources && (path === resourceMetadataPath || path.startsWith(`${resourceMetadataPath}/`))
  const isOwnPath = (path: string) => path.startsWith(ownPrefix) || elsewhere.has(path) || isResourceMetadata(path)
  const origin = ({ scheme, host }: HostAndScheme) =>
    // Fully qualified, with a dot at the end, it is the same host, but another one to cookies and to the provider.
    `${forceHTTPS ? 'https' : scheme}://${host.replace(/\.(?=$|:)/, '')}`
  const { isHandoverHost = () => false } = config
  const loginOrigin = (request: HostAndScheme) => publicURL ?? origin(request)
  const ownOrigin = (request: HostAndScheme) => (isHandoverHost(request.host) ? origin(request) : loginOrigin(request))

  /** Cookies know no ports. */
  const isUnder = (name = '') => {
    const domain = config.cookieDomain?.toLowerCase().replace(/^\./, '')
    return domain !== undefined && (name === domain || name.endsWith(`.${domain}`))
  }

  function judgeReturn(request: HostAndScheme, candidate: string): ReturnType<Addresses['judgeReturn']> {
    const judged = safeReturnURL(candidate, {
      origin: origin(request),
      publicURL,
      cookieDomain: config.cookieDomain,
      allowedRedirectHosts: config.allowedRedirectHosts,
    })
    if (!('url' in judged)) return judged
    const { pathname } = new URL(judged.url)
    // What comes after a login at the login host, and leads on to another host.
    if (config.isHandoverHost !== undefined && judged.url.startsWith(`${publicURL}${ownPath.handover}?`)) return judged
    // A login that returns to the login would go round in circles.
    return isOwnPath(decoded(pathname)) ? { refused: 'own_path' } : judged
  }

  return {
    ownPrefix,
    ownPath,
    callbackPaths,
    logoutPath,
    signalPath,
    isOwnPath,
    isResourceMetadata,
    origin,
    publicURL,
    ownOrigin,
    loginOrigin,
    sharesCookies(request) {
      // Browsers drop a Secure cookie that comes over plain http.
      if (forceHTTPS && request.scheme !== 'https') return false
      const here = URL.parse(`${request.scheme}://${request.host}`)?.hostname
      const there = URL.parse(ownOrigin(request))?.hostname
      return here !== undefined && (here === there || (isUnder(here) && isUnder(there)))
    },
    redirectURI: (request, provider = defaultProvider) =>
      loginOrigin(request) + (callbackPaths.get(provider) ?? callbackPath),
    startURL: (request, returnTo, options) =>
      `${ownOrigin(request)}${ownPath.start}?${loginQuery(returnTo, options).toString()}`,
    signInURL: (request, returnTo, options) =>
      `${ownOrigin(request)}${ownPath.signIn}?${loginQuery(returnTo, options).toString()}`,
    returnURL(request, candidate) {
      if (candidate === undefined || candidate === '') return undefined
      const judged = judgeReturn(request, candidate)
      return 'url' in judged ? judged.url : undefined
    },
    judgeReturn,
  }
}
