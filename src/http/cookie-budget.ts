// All cookies of ours together take at most 4 KB of a browser's Cookie header, whatever it opens: proxies answer 400 to a header
// of more than 8 KB, and then no page of ours can mend anything. What this version sets keeps to that by itself, as names and
// sizes are fixed. What is in a jar beyond that, of an older version, of other options or planted by a sibling host, goes with
// any answer that reaches the browser.
import type { IncomingHttpHeaders } from 'node:http'
import type { CookieConfig } from '../config/config.ts'
import { flowCookieLength, flowSlots } from '../login/flow.ts'
import { ticketLength } from '../session/ticket.ts'
import { cookieAttributes, isOurCookie, slotIn } from './browser-cookies.ts'
import { expireCookie } from './cookies.ts'

/** Bytes of the Cookie header, separators included. */
export const cookieBudget = 4_096

/** What an answer may spend on it: a proxy takes 4 KB of headers from us. The largest go first, the rest with the next answer. */
const maxRepairBytes = 2_500

const sizeOf = (name: string, valueLength: number) => name.length + '='.length + valueLength + '; '.length

/** How long a pass may be, beside a ticket and a login in every slot. */
export function passRoom(config: CookieConfig): number {
  const flows = flowSlots * sizeOf(`${config.flowPrefix}0`, flowCookieLength)
  return cookieBudget - flows - sizeOf(config.sessionName, ticketLength) - sizeOf(config.passName, 0)
}

/**
 * Set-Cookie values that bring a jar which is over its budget back into it. `headers`: the browser's, as they came here;
 * `setCookies`: what the answer sets already.
 */
export type RepairCookies = (headers: IncomingHttpHeaders, setCookies: readonly string[]) => readonly string[]

/** The cookies of one name. */
interface Group {
  readonly name: string
  /** Of each, largest first. */
  readonly sizes: number[]
  /** None of them can be what this version sets. */
  isForeign: boolean
}

export function createCookieRepair(config: CookieConfig): RepairCookies {
  const room = passRoom(config)

  function isOfOurMaking(name: string, length: number): boolean {
    if (name === config.sessionName) return length === ticketLength
    if (name === config.passName) return length <= room
    return slotIn(config, name) !== undefined && length === flowCookieLength
  }

  function groupsIn(header: string): Group[] {
    const groups = new Map<string, Group>()
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=')
      const name = pair.slice(0, equals).trim()
      // Any name may have been planted; one that no Set-Cookie can hold cannot be deleted either.
      if (!/^[\x21-\x3a\x3c\x3e-\x7e]+$/.test(name) || !isOurCookie(config, name)) continue
      const length = pair.slice(equals + 1).trim().length
      const group = groups.get(name) ?? { name, sizes: [], isForeign: true }
      group.sizes.push(sizeOf(name, length))
      group.isForeign &&= !isOfOurMaking(name, length)
      groups.set(name, group)
    }
    for (const { sizes } of groups.values()) sizes.sort((a, b) => b - a)
    return [...groups.values()]
  }

  /** Deletes cookies of this name that have another domain or path than ours. */
  function expireElsewhere(name: string, headers: IncomingHttpHeaders): string[] {
    if (name.startsWith('__Host-')) return []
    const configured = cookieAttributes(config, name)
    const bare = (domain: string | undefined) => domain?.toLowerCase().replace(/^\./, '')
    const domains = domainsOf(headers)
    // A host that the domain does not reach (session.handoverHosts) has cookies for itself alone.
    const domain = bare(configured.domain) ?? ''
    const isBeyond = domains.length > 0 && !domains.some((each) => domain === each || domain.endsWith(`.${each}`))
    const own = isBeyond ? { ...configured, domain: undefined } : configured
    return [undefined, ...domains].flatMap((at) =>
      [...new Set(['/', config.path])]
        .filter((path) => bare(at) !== bare(own.domain) || path !== own.path)
        .map((path) => expireCookie({ ...own, domain: at, path })),
    )
  }

  return (headers, setCookies) => {
    const { cookie: header } = headers
    const set = setCookies.map((line) => line.slice(0, line.indexOf(';')))
    const bytesSet = set.filter((pair) => !pair.endsWith('=')).reduce((sum, pair) => sum + pair.length + 2, 0)
    if (header === undefined || header.length + bytesSet <= cookieBudget) return []

    const replaced = new Set(set.map((pair) => pair.slice(0, pair.indexOf('='))))
    let total = bytesSet
    const removable: { readonly excess: number; readonly here: string[]; readonly elsewhere: string[] }[] = []
    for (const { name, sizes, isForeign } of groupsIn(header)) {
      const isReplaced = replaced.has(name)
      // Of several, it cannot be told which has our domain and path: the smallest is taken for it.
      if (isReplaced) sizes.pop()
      const size = sizes.reduce((sum, each) => sum + each, 0)
      total += size
      const stays = isReplaced || isForeign ? 0 : (sizes.at(-1) ?? 0)
      if (size === stays) continue
      const here = isForeign && !isReplaced ? [expireCookie(cookieAttributes(config, name))] : []
      removable.push({ excess: size - stays, here, elsewhere: expireElsewhere(name, headers) })
    }
    removable.sort((a, b) => b.excess - a.excess)

    const here: string[] = []
    const elsewhere: string[] = []
    for (const each of removable) {
      if (total <= cookieBudget) break
      total -= each.excess
      here.push(...each.here)
      elsewhere.push(...each.elsewhere)
    }
    let spent = 0
    return [...here, ...elsewhere].filter((line) => (spent += line.length) <= maxRepairBytes)
  }
}

/** The browser's host and those above it, as far as they can be the domain of a cookie. It decides nothing but deletions. */
function domainsOf(headers: IncomingHttpHeaders): string[] {
  const forwarded = headers['x-forwarded-host']
  const host = (typeof forwarded === 'string' ? forwarded : (headers.host ?? '')).toLowerCase().replace(/:\d*$/, '')
  if (!/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/.test(host)) return []
  const labels = host.split('.')
  return labels
    .slice(0, -1)
    .map((_, at) => labels.slice(at).join('.'))
    .slice(-4)
}
