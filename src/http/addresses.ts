// Under which addresses browsers reach us and the application: derived from the original request, in one place.
import { safeReturnURL } from './return-url.ts'

/** Our own pages and endpoints, apart from callback and logout, below `pathPrefix`. */
const ownPaths = (pathPrefix: string) => ({
  start: `${pathPrefix}/start`,
  signIn: `${pathPrefix}/sign_in`,
  signOut: `${pathPrefix}/sign_out`,
  signedOut: `${pathPrefix}/signed_out`,
  userinfo: `${pathPrefix}/userinfo`,
  auth: `${pathPrefix}/auth`,
})

export interface Addresses {
  /** `/oauth2/`: nothing below it is the application's. */
  readonly ownPrefix: string
  readonly ownPath: Readonly<ReturnType<typeof ownPaths>>
  readonly callbackPath: string
  readonly logoutPath: string
  isOwnPath(path: string): boolean
  /** `scheme://host` of the application that was asked for. */
  origin(request: HostAndScheme): string
  /** Where our own endpoints are reached: `publicURL`, else the application's own origin. */
  ownOrigin(request: HostAndScheme): string
  redirectURI(request: HostAndScheme): string
  /** Our start of a login that comes back to `returnTo`. */
  startURL(request: HostAndScheme, returnTo: string, prompt?: 'select_account'): string
  /** `candidate` if it stays on the allowed sites and does not lead to one of our own paths; undefined otherwise. */
  returnURL(request: HostAndScheme, candidate: string | undefined): string | undefined
}

export interface HostAndScheme {
  readonly scheme: 'http' | 'https'
  readonly host: string
}

export function createAddresses(config: {
  pathPrefix: string
  callbackPath: string
  logoutPath: string
  publicURL: string | undefined
  forceHTTPS: boolean
  cookieDomain: string | undefined
  allowedRedirectHosts: readonly string[]
}): Addresses {
  const { callbackPath, logoutPath, publicURL, forceHTTPS } = config
  const ownPrefix = `${config.pathPrefix}/`
  const ownPath = ownPaths(config.pathPrefix)
  const isOwnPath = (path: string) => path.startsWith(ownPrefix) || path === callbackPath || path === logoutPath
  const origin = ({ scheme, host }: HostAndScheme) => `${forceHTTPS ? 'https' : scheme}://${host}`
  const ownOrigin = (request: HostAndScheme) => publicURL ?? origin(request)

  return {
    ownPrefix,
    ownPath,
    callbackPath,
    logoutPath,
    isOwnPath,
    origin,
    ownOrigin,
    redirectURI: (request) => ownOrigin(request) + callbackPath,
    startURL(request, returnTo, prompt) {
      const query = new URLSearchParams({ rd: returnTo, ...(prompt !== undefined && { prompt }) })
      return `${ownOrigin(request)}${ownPath.start}?${query.toString()}`
    },
    returnURL(request, candidate) {
      if (candidate === undefined || candidate === '') return undefined
      const url = safeReturnURL(candidate, {
        origin: origin(request),
        cookieDomain: config.cookieDomain,
        allowedRedirectHosts: config.allowedRedirectHosts,
      })
      // A login that returns to the login would go round in circles.
      return url === undefined || isOwnPath(new URL(url).pathname) ? undefined : url
    },
  }
}
