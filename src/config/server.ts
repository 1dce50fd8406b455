// Slices without much to check together: server, paths, pages and forward auth.
import type {
  Address,
  ForwardAuthConfig,
  IdentityTokenConfig,
  PagesConfig,
  PathsConfig,
  ServerConfig,
} from './config.ts'
import type { Checks } from './checks.ts'
import type { Settings } from './schema.ts'
import { pathText } from './problems.ts'
import type { Path } from './problems.ts'
import { compileHandoverHosts } from './handover.ts'
import { parseWebURL } from './network.ts'
import { covers, fixedPaths, movablePaths, SERVICE_PATHS } from './url-path.ts'

/** Where metrics and health are in reverse-proxy mode: every path of the main port is the applications', and the world's. */
const operatorsOwn = { host: '127.0.0.1', port: 9180 }

export const metricsListen = ({ metrics, upstreams }: Settings): Address | undefined =>
  metrics.listen ?? (upstreams.length > 0 ? operatorsOwn : undefined)

export function serverConfig(checks: Checks): ServerConfig {
  const { settings, refuse } = checks
  const { listen, publicURL } = settings
  const operators = metricsListen(settings)
  if (!settings.secretsDir.startsWith('/')) refuse(['secretsDir'], 'must be an absolute path')
  if (operators !== undefined && operators.port !== 0 && operators.port === listen.port) {
    refuse([['metrics', 'listen'], ['listen']], 'has the port of `listen`; give it another one, or leave it out')
  }
  if (publicURL !== undefined) checkPublicURL(checks, new URL(publicURL))
  return {
    listen,
    metricsListen: operators,
    trustedProxies: settings.trustedProxies,
    publicURL,
    drainDelayMs: settings.drainDelay,
    shutdownTimeoutMs: settings.shutdownTimeout,
    logLevel: settings.logLevel,
  }
}

function checkPublicURL({ settings, refuse, warn }: Checks, url: URL): void {
  const { cookieDomain, forceHTTPS } = settings
  if (forceHTTPS && url.protocol === 'http:') {
    refuse([['publicURL'], ['forceHTTPS']], 'is http while forceHTTPS is true; use https, or forceHTTPS: false')
  }
  if (cookieDomain === undefined) {
    checkOneHost({ settings, refuse, warn }, url.hostname)
  } else if (url.hostname !== cookieDomain && !url.hostname.endsWith(`.${cookieDomain}`)) {
    refuse(
      [['publicURL'], ['cookieDomain']],
      'is not under cookieDomain, so browsers would drop our cookie; make them agree',
    )
  }
}

/** The session's cookie is set where the callback is, which is `publicURL`; without a domain it goes nowhere else. */
function checkOneHost({ settings, refuse, warn }: Pick<Checks, 'settings' | 'refuse' | 'warn'>, own: string): void {
  const named: [Path, string | undefined][] = [
    ...settings.upstreams.map(({ host }, index): [Path, string | undefined] => [['upstreams', index, 'host'], host]),
    ...settings.rules.flatMap(({ host, policy }, index): [Path, string | undefined][] =>
      policy === 'login' ? [[['rules', index, 'host'], host]] : [],
    ),
  ]
  const hosts = named.flatMap(([path, host]) => (host === undefined || host === '*' ? [] : [{ path, host }]))
  const isHandedOver = compileHandoverHosts({
    handoverHosts: settings.session.handoverHosts,
    publicURL: settings.publicURL,
    cookieDomain: undefined,
  })
  // A pattern stands for its names: one of them is enough to ask.
  const isReached = (host: string) => host.replace(/:\d+$/, '') === own || isHandedOver(host.replace(/^\*/, 'a'))
  const other = hosts.find(({ host }) => !isReached(host))
  const how =
    'set cookieDomain to the domain that the hosts share, such as example.com; hosts of other domains: session.handoverHosts'
  if (other !== undefined) {
    refuse(
      [['publicURL'], other.path, ['cookieDomain']],
      `is another host than ${pathText(other.path)}, which a login would never reach without cookieDomain; ${how}`,
    )
  } else if (hosts.length === 0 && settings.session.handoverHosts.length === 0) {
    warn(['publicURL'], `without cookieDomain a login counts on its host only; for applications on other hosts ${how}`)
  }
}

export function pathsConfig({ settings, refuse }: Checks): PathsConfig {
  const { pathPrefix, postLogoutRedirectURI } = settings
  const { enableBackchannelLogout, enableFrontchannelLogout, ...rest } = settings
  // A path that nobody listens on stays the application's.
  const moved = movablePaths({
    ...rest,
    ...(!enableBackchannelLogout && { backchannelLogoutURL: undefined }),
    ...(!enableFrontchannelLogout && { frontchannelLogoutURL: undefined }),
  })
  const { callback, logout, backChannelLogout, frontChannelLogout } = moved
  const ofBrowsers = [
    ['callbackURL', callback],
    ['logoutURL', logout],
  ] as const
  const given = [
    ...ofBrowsers,
    ['backchannelLogoutURL', backChannelLogout],
    ['frontchannelLogoutURL', frontChannelLogout],
  ] as const
  const defaults = movablePaths({ pathPrefix })
  const service = servicePaths(settings)
  const isPrefixTaken = pathPrefix === '/' || service.some((prefix) => covers(prefix, pathPrefix))
  if (isPrefixTaken) {
    refuse(['pathPrefix'], 'is taken by another route of this service; use a path of its own, such as /oauth2')
  }
  for (const [name, path] of given) {
    const isItsOwn = path === defaults[optionPaths[name]]
    const isTaken = !isItsOwn && fixedPaths(pathPrefix).includes(path)
    const isInside = !isPrefixTaken && service.some((prefix) => covers(prefix, path))
    if (path === '/' || isTaken || isInside) {
      const free = movablePaths({ pathPrefix: '/oauth2' })[optionPaths[name]]
      refuse([name], `is taken by another route of this service; use a path of its own, such as ${free}`)
    }
  }
  // A cookie is only sent below its path, and both must see it.
  const outside = ofBrowsers.find(([, path]) => !covers(settings.cookiePath, path))
  if (outside !== undefined) {
    const [name] = outside
    refuse([['cookiePath'], [name]], `does not cover ${name}, so our cookies would never reach it; use /`)
  }
  for (const [at, [name, path]] of given.entries()) {
    const same = given.slice(0, at).find(([, earlier]) => earlier === path)
    if (same !== undefined && !fixedPaths(pathPrefix).includes(path))
      refuse([[name], [same[0]]], `is the same as ${same[0]}; use two paths`)
  }
  const isPath = /^\/(?![/\\])[^\\\s]*$/.test(postLogoutRedirectURI)
  if (!isPath && parseWebURL(postLogoutRedirectURI) === undefined) {
    refuse(['postLogoutRedirectURI'], 'must be a path that starts with one /, or an absolute http(s) URL')
  }
  return { prefix: pathPrefix, ...moved, securityEvents: `${pathPrefix}/security_events`, postLogoutRedirectURI }
}

const optionPaths = {
  callbackURL: 'callback',
  logoutURL: 'logout',
  backchannelLogoutURL: 'backChannelLogout',
  frontchannelLogoutURL: 'frontChannelLogout',
} as const

/** What else this service answers on its main port. */
const servicePaths = ({ upstreams }: Settings): readonly string[] => (upstreams.length > 0 ? [] : SERVICE_PATHS)

/** What may stand in a page is pages/look.ts's to say. */
export function pagesConfig({ settings }: Checks): PagesConfig {
  const { name, logo, accentColor, skipSignIn } = settings.pages
  return { name, logo, accentColor, skipSignIn }
}

export function identityTokenConfig({ settings, refuse, warn }: Checks): IdentityTokenConfig | undefined {
  const { enabled, onAuth, issuer } = settings.identityToken
  if (!enabled) {
    if (onAuth)
      refuse(['identityToken', 'onAuth'], 'is true while identityToken.enabled is false; set both, or neither')
    return undefined
  }
  if (settings.upstreams.length === 0 && !onAuth) {
    warn(['identityToken', 'enabled'], 'reaches nobody: without upstreams it needs identityToken.onAuth: true')
  }
  return { issuer: issuer ?? settings.publicURL ?? 'foregate', onAuth }
}

export function forwardAuthConfig({ settings, refuse }: Checks): ForwardAuthConfig {
  const { contract, allowStatus } = settings.forwardAuth
  if (contract === 'envoy' && allowStatus !== 200) {
    refuse(
      [
        ['forwardAuth', 'allowStatus'],
        ['forwardAuth', 'contract'],
      ],
      'must be 200: Envoy takes every other status for a refusal',
    )
  }
  return settings.forwardAuth
}
