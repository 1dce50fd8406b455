// Slices without much to check together: server, paths, pages, forward auth and upstreams.
import type { ForwardAuthConfig, PagesConfig, PathsConfig, ServerConfig, UpstreamConfig } from './config.ts'
import { checkCertificates, fileText } from './checks.ts'
import type { Checks } from './checks.ts'
import { ruleConfig } from './access.ts'
import { parseWebURL } from './network.ts'
import { covers, OWN_OAUTH2_PATHS, OWN_PREFIXES } from './url-path.ts'

export function serverConfig(checks: Checks): ServerConfig {
  const { settings, refuse } = checks
  const { listen, metrics, publicURL } = settings
  if (!settings.secretsDir.startsWith('/')) refuse(['secretsDir'], 'must be an absolute path')
  if (metrics.listen !== undefined && metrics.listen.port !== 0 && metrics.listen.port === listen.port) {
    refuse([['metrics', 'listen'], ['listen']], 'has the port of `listen`; give it another one, or leave it out')
  }
  if (publicURL !== undefined) checkPublicURL(checks, new URL(publicURL))
  return {
    listen,
    metricsListen: metrics.listen,
    trustedProxies: settings.trustedProxies,
    publicURL,
    drainDelayMs: settings.drainDelay,
    shutdownTimeoutMs: settings.shutdownTimeout,
    logLevel: settings.logLevel,
  }
}

function checkPublicURL({ settings, refuse }: Checks, url: URL): void {
  const { cookieDomain, forceHTTPS } = settings
  if (forceHTTPS && url.protocol === 'http:') {
    refuse([['publicURL'], ['forceHTTPS']], 'is http while forceHTTPS is true; use https, or forceHTTPS: false')
  }
  if (cookieDomain !== undefined && url.hostname !== cookieDomain && !url.hostname.endsWith(`.${cookieDomain}`)) {
    refuse(
      [['publicURL'], ['cookieDomain']],
      'is not under cookieDomain, so browsers would drop our cookie; make them agree',
    )
  }
}

export function pathsConfig({ settings, refuse }: Checks): PathsConfig {
  const { callbackURL, logoutURL, postLogoutRedirectURI } = settings
  const given = [
    ['callbackURL', callbackURL],
    ['logoutURL', logoutURL],
  ] as const
  for (const [name, path] of given) {
    const isTaken = OWN_OAUTH2_PATHS.some((own) => own === path)
    const isInside = OWN_PREFIXES.some((prefix) => prefix !== '/oauth2' && covers(prefix, path))
    if (path === '/' || isTaken || isInside) {
      refuse([name], 'is taken by another route of this service; use a path of its own, such as /oauth2/callback')
    }
  }
  // A cookie is only sent below its path, and both must see it.
  const outside = given.find(([, path]) => !covers(settings.cookiePath, path))
  if (outside !== undefined) {
    const [name] = outside
    refuse([['cookiePath'], [name]], `does not cover ${name}, so our cookies would never reach it; use /`)
  }
  if (callbackURL === logoutURL) refuse([['logoutURL'], ['callbackURL']], 'is the same as callbackURL; use two paths')
  const isPath = /^\/(?![/\\])[^\\\s]*$/.test(postLogoutRedirectURI)
  if (!isPath && parseWebURL(postLogoutRedirectURI) === undefined) {
    refuse(['postLogoutRedirectURI'], 'must be a path that starts with one /, or an absolute http(s) URL')
  }
  return { callback: callbackURL, logout: logoutURL, postLogoutRedirectURI }
}

export function pagesConfig({ settings, refuse }: Checks): PagesConfig {
  const { name, logo, accentColor } = settings.pages
  if (logo !== undefined && !/^data:image\/[a-z+.-]+[;,]/i.test(logo) && parseWebURL(logo)?.protocol !== 'https:') {
    refuse(['pages', 'logo'], 'must be a data:image/… URI or an https URL')
  }
  // It goes into a style sheet: nothing but a colour may pass.
  if (accentColor !== undefined && !/^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(accentColor)) {
    refuse(
      ['pages', 'accentColor'],
      'must be a colour such as "#0a7" or "#00aa77" (in quotes: YAML takes # for a comment)',
    )
  }
  return { name, logo, accentColor }
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

export function upstreamsConfig(checks: Checks): UpstreamConfig[] {
  const { settings, refuse } = checks
  const seen = new Set<string>()
  return settings.upstreams.map((upstream, index) => {
    const at = ['upstreams', index]
    const place = `${upstream.host ?? '*'} ${upstream.path}`
    if (seen.has(place))
      refuse(at, 'has the host and path of an earlier one and would never be used; remove one of them')
    seen.add(place)
    if (OWN_PREFIXES.some((prefix) => covers(prefix, upstream.path))) {
      refuse([...at, 'path'], 'lies where only this service answers; move the application to another path')
    }
    if (new URL(upstream.url).search !== '')
      refuse([...at, 'url'], 'must not have a query; only scheme, host, port and path')
    const caPEM = fileText(checks, [...at, 'caFile'], upstream.caFile)
    if (caPEM !== undefined) checkCertificates(checks, [...at, 'caFile'], caPEM)
    return {
      host: upstream.host === '*' ? undefined : upstream.host,
      path: upstream.path,
      url: upstream.url,
      caPEM,
      rules: upstream.rules.map((rule, number) => ruleConfig(checks, [...at, 'rules', number], rule)),
    }
  })
}
