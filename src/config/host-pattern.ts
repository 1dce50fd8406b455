// The one reader of host patterns: rules, upstreams and the hosts that a login may return to. `app.example.com` is that name,
// `*.example.com` (also `.example.com`) every name below example.com but not itself, each with a port or for any.
import type { Parsed } from './problems.ts'

export interface HostPattern {
  /** Lower case, without a trailing dot; an IPv6 address in its brackets. */
  readonly name: string
  readonly port: string | undefined
  readonly subdomains: boolean
}

const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

export function isHostName(name: string): boolean {
  return NAME.test(name)
}

const no: Parsed<never> = {
  ok: false,
  problem:
    'must be a host name such as app.example.com, app.example.com:8443 or *.example.com: no scheme, no path, * only in front',
}

export function parseHostPattern(written: string): Parsed<HostPattern> {
  const [, wild, bracketed, plain = '', port] =
    /^(\*\.|\.)?(?:(\[[0-9a-f:.]+\])|([^:[\]]*))(?::(\d{1,5}))?$/i.exec(written) ?? []
  const subdomains = wild !== undefined
  const name = (bracketed ?? plain.replace(/\.$/, '')).toLowerCase()
  const isAddress = bracketed !== undefined && !subdomains && URL.canParse(`http://${bracketed}`)
  // `*.com` would be everybody's.
  const isGood = isAddress || (isHostName(name) && (!subdomains || name.includes('.')))
  if (!isGood || (port !== undefined && Number(port) > 65_535)) return no
  return { ok: true, value: { name, port, subdomains } }
}

/** The host of a rule or an upstream; `*` (undefined) is any. */
export function parseRuleHost(written: string | undefined): Parsed<HostPattern | undefined> {
  if (written === undefined || written === '*') return { ok: true, value: undefined }
  const parsed = parseHostPattern(written)
  if (parsed.ok && (parsed.value.port === '80' || parsed.value.port === '443')) {
    return { ok: false, problem: "has the scheme's own port, which is not part of a request's host: leave it out" }
  }
  return parsed
}

export function hostPatternText(pattern: HostPattern): string {
  return `${pattern.subdomains ? '*.' : ''}${hostKey(pattern)}`
}

/** Name and port, as a request's host has them. */
export function hostKey({ name, port }: HostPattern): string {
  return port === undefined ? name : `${name}:${port}`
}

/** `host`: lower case, with its port unless it is the scheme's own. A pattern without a port holds on every port. */
export function coversHost(pattern: HostPattern | undefined, host: string): boolean {
  if (pattern === undefined) return true
  const given = pattern.port === undefined ? host.replace(/:\d*$/, '') : host
  const bare = given.replace(/\.(?=:\d+$|$)/, '')
  return pattern.subdomains ? bare.endsWith(`.${hostKey(pattern)}`) : bare === hostKey(pattern)
}
