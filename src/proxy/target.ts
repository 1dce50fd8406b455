// Which paths may be proxied at all, and to which upstream they belong. Where an application could read a path as one outside
// of what it was given, it is refused before anything is decided (http-proxy CVE-2026-127060, Oathkeeper CVE-2026-33494). Where
// it could merely read it otherwise than the rules did (`%2F`), they decide, knowing that: never public, but with a session.
import type { UpstreamConfig } from '../config/config.ts'
import { coversHost, parseRuleHost, type HostPattern } from '../config/host-pattern.ts'
import { ConfigInvalid } from '../errors.ts'

export interface Target {
  /** As sent: what the upstream gets. */
  readonly rawPath: string
  /** Decoded once, without empty segments, an encoded slash left as it is: what upstreams are chosen by. */
  readonly path: string
}

/** Undefined: hostile or damaged. `target`: the request line's, path and query. */
export function readTarget(target: string): Target | undefined {
  // Absolute form and `*` name no path; a raw `#` or a control byte anywhere splits readers.
  // oxlint-disable-next-line no-control-regex -- control bytes are what is being refused
  if (!target.startsWith('/') || /[#\x00-\x20\x7f]/.test(target)) return undefined
  const queryAt = target.indexOf('?')
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt)
  // A leading `//name` is a host to whoever resolves it as a reference.
  if (rawPath.startsWith('//')) return undefined
  // oxlint-disable-next-line no-control-regex -- raw bytes beyond ASCII: read as Latin-1 by one, as UTF-8 by the next
  if (/\\|%(?:5c|(?![\da-f]{2}))|[^\x00-\x7f]/i.test(rawPath)) return undefined
  let decoded: string
  let path: string
  try {
    decoded = decodeURIComponent(rawPath)
    path = decodeURIComponent(rawPath.replace(/%2f/gi, '%252F'))
  } catch {
    // Not UTF-8, overlong forms included.
    return undefined
  }
  // oxlint-disable-next-line no-control-regex -- encoded control bytes
  if (/[\\\x00-\x1f\x7f]/.test(decoded)) return undefined
  const segments = decoded.split('/')
  // `/public/..;/admin` is `/admin` to Tomcat, Jetty and others, which drop what follows a semicolon.
  if (segments.some((segment) => /^\.{1,2}(?:;.*)?$/.test(segment))) return undefined
  return { rawPath, path: path.replace(/\/{2,}/g, '/') }
}

export interface Upstream {
  readonly config: UpstreamConfig
  /** Undefined: any. */
  readonly host: HostPattern | undefined
  /** Scheme, host and port. */
  readonly origin: string
  /** Its own host and port. */
  readonly authority: string
  /** What the upstream's own URL puts in the place of the matched prefix; undefined: the path goes on as it is. */
  readonly basePath: string | undefined
}

export type ChooseUpstream = (host: string, path: string) => Upstream | undefined

/** The most exact host first, then the longest path. A host pattern without a port holds for any port. */
export function createUpstreamChoice(configs: readonly UpstreamConfig[]): ChooseUpstream {
  const upstreams = configs
    .map((config): Upstream => {
      const { origin, host: authority, pathname } = new URL(config.url)
      const host = parseRuleHost(config.host)
      if (!host.ok) throw new ConfigInvalid([`upstreams: ${host.problem}`])
      const basePath = pathname === '/' ? undefined : pathname.replace(/\/$/, '')
      return { config, host: host.value, origin, authority, basePath }
    })
    .sort((a, b) => exactness(b.host) - exactness(a.host) || b.config.path.length - a.config.path.length)
  return (host, path) =>
    upstreams.find(
      (upstream) => coversHost(upstream.host, host.toLowerCase()) && isPathCovered(upstream.config.path, path),
    )
}

/** Whether one of them is for this host, or for any. */
export function servedHosts(configs: readonly UpstreamConfig[]): (host: string) => boolean {
  const hosts = configs.map(({ host }) => parseRuleHost(host)).flatMap((host) => (host.ok ? [host.value] : []))
  return (asked) => hosts.some((host) => coversHost(host, asked.toLowerCase()))
}

function exactness(host: HostPattern | undefined): number {
  if (host === undefined) return 0
  // No host name is as long as this: a name beats every wildcard, one with a port beats one without.
  return (host.subdomains ? host.name.length : 1_000) + (host.port === undefined ? 0 : 1)
}

function isPathCovered(prefix: string, path: string): boolean {
  const bare = prefix.replace(/\/$/, '')
  return path === bare || path.startsWith(`${bare}/`)
}

/** The path that the upstream gets. */
export function upstreamPath({ config, basePath }: Upstream, { rawPath }: Target): string {
  if (basePath === undefined) return rawPath
  // Cut by segments, because the raw prefix may be spelled otherwise (`/%61pp`) than the configured one.
  let left = config.path.split('/').filter((segment) => segment !== '').length
  let at = 0
  while (left > 0 && at < rawPath.length) {
    const slash = rawPath.indexOf('/', at + 1)
    const end = slash < 0 ? rawPath.length : slash
    // An empty segment is nobody's: `/app//x` is `//x` below `/app`, and `//app/x` is not `/app`'s.
    if (end > at + 1) left--
    at = end
  }
  return basePath + (at < rawPath.length ? rawPath.slice(at) : '/')
}
