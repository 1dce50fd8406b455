// Which paths may be proxied at all, and to which upstream they belong. Where an application could read a path as one outside
// of what it was given, it is refused before anything is decided (http-proxy CVE-2026-127060, Oathkeeper CVE-2026-33494). Where
// it could merely read it otherwise than the rules did (`%2F`), they decide, knowing that: never public, but with a session.
import type { UpstreamConfig } from '../config/config.ts'

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
  /** Scheme, host and port. */
  readonly origin: string
  readonly host: string
  /** What the upstream's own URL puts in the place of the matched prefix; undefined: the path goes on as it is. */
  readonly basePath: string | undefined
}

export type ChooseUpstream = (host: string, path: string) => Upstream | undefined

/** The most exact host first, then the longest path. A host pattern without a port holds for any port. */
export function createUpstreamChoice(configs: readonly UpstreamConfig[]): ChooseUpstream {
  const upstreams = configs
    .map((config): Upstream => {
      const { origin, host, pathname } = new URL(config.url)
      return { config, origin, host, basePath: pathname === '/' ? undefined : pathname.replace(/\/$/, '') }
    })
    .sort((a, b) => exactness(b.config.host) - exactness(a.config.host) || b.config.path.length - a.config.path.length)
  return (host, path) =>
    upstreams.find(({ config }) => isHostCovered(config.host, host) && isPathCovered(config.path, path))
}

function exactness(host: string | undefined): number {
  if (host === undefined) return 0
  // No host name is as long as this: a name beats every wildcard, one with a port beats one without.
  return host.startsWith('*.') ? host.length : 1_000 + (/:\d+$/.test(host) ? 1 : 0)
}

function isHostCovered(pattern: string | undefined, host: string): boolean {
  if (pattern === undefined) return true
  const given = host.toLowerCase()
  const name = given.replace(/:\d*$/, '').replace(/\.$/, '')
  if (pattern.startsWith('*.')) return name.endsWith(pattern.slice(1)) || given.endsWith(pattern.slice(1))
  return pattern === given || pattern === name
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
  const rest = rawPath.split('/').slice(1)
  while (left > 0 && rest.length > 0) if (rest.shift() !== '') left--
  return `${basePath}/${rest.join('/')}`
}
