// Our three cookies: the session's ticket, the pass for an outage, and one per login under way in one of a few slots.
import type { CookieConfig } from '../config/config.ts'
import { cookieSite, type IsHandoverHost } from '../config/handover.ts'
import { flowSlots } from '../login/flow.ts'
import type { FlowCookies } from '../login/slots.ts'
import type { BoundTickets } from './bound-tickets.ts'
import { cookieValues, expireCookie, setCookie, type CookieAttributes } from './cookies.ts'

export interface BrowserCookies {
  /**
   * The cookies of this host (lower case, with or without a port). There is no other way to a ticket: what a browser holds on a host of
   * another domain is bound to that host.
   */
  on(host: string): HostCookies
  /** Whether a cookie of this name is ours: not to be passed on to an application. */
  isOurs(name: string): boolean
}

export interface HostCookies {
  /** Every ticket that was sent: a sibling host can plant a second one, the valid one wins. */
  tickets(header: string | undefined): string[]
  /** Every pass, for the same reason. */
  passes(header: string | undefined): string[]
  flows(header: string | undefined): FlowCookies
  setTicket(ticket: string): string
  setPass(pass: string): string
  setFlow(slot: number, value: string, maxAgeMs: number): string
  expireTicket(): string
  expirePass(): string
  expireFlow(slot: number): string
}

/** Where sessions are handed over to hosts of other domains. */
export interface Handed {
  readonly isHandoverHost: IsHandoverHost
  readonly tickets: BoundTickets
}

export function createBrowserCookies(
  config: CookieConfig,
  lifetimes: { sessionMaxAgeMs: number; passMaxAgeMs: number },
  handed?: Handed,
): BrowserCookies {
  const own = hostCookies(config, lifetimes)
  const isOurs = (name: string) => isOurCookie(config, name)
  if (handed === undefined) return { on: () => own, isOurs }
  // Each for itself alone: a domain of theirs would be one more whose applications could use each other's cookies.
  const theirs = hostCookies({ ...config, domain: undefined }, lifetimes)
  return {
    on(host) {
      if (!handed.isHandoverHost(host)) return own
      const site = cookieSite(host)
      return {
        ...theirs,
        tickets: (header) => theirs.tickets(header).flatMap((value) => handed.tickets.unbind(value, site)),
        setTicket: (ticket) => theirs.setTicket(handed.tickets.bind(ticket, site)),
      }
    },
    isOurs,
  }
}

function hostCookies(config: CookieConfig, lifetimes: { sessionMaxAgeMs: number; passMaxAgeMs: number }): HostCookies {
  const ticket = cookieAttributes(config, config.sessionName)
  const pass = cookieAttributes(config, config.passName)
  const flow = (slot: number) => cookieAttributes(config, config.flowPrefix + slot)
  return {
    tickets: (header) => cookieValues(header, config.sessionName),
    passes: (header) => cookieValues(header, config.passName),
    flows: (header) =>
      Array.from({ length: flowSlots }, (_, slot) =>
        cookieValues(header, config.flowPrefix + slot).map((value) => [slot, value] as const),
      ).flat(),
    setTicket: (value) => setCookie({ ...ticket, value, maxAgeSeconds: lifetimes.sessionMaxAgeMs / 1_000 }),
    setPass: (value) => setCookie({ ...pass, value, maxAgeSeconds: lifetimes.passMaxAgeMs / 1_000 }),
    setFlow: (slot, value, maxAgeMs) => setCookie({ ...flow(slot), value, maxAgeSeconds: maxAgeMs / 1_000 }),
    expireTicket: () => expireCookie(ticket),
    expirePass: () => expireCookie(pass),
    expireFlow: (slot) => expireCookie(flow(slot)),
  }
}

/** With what the cookie of this name is set, and so what deletes it. */
export function cookieAttributes(config: CookieConfig, name: string): CookieAttributes {
  // A flow cookie has to come along on the provider's cross-site redirect back to us: `strict` would lose every login.
  const crossesSites = name.startsWith(config.flowPrefix) && config.sameSite === 'strict'
  return {
    name,
    domain: config.domain,
    path: config.path,
    sameSite: crossesSites ? 'lax' : config.sameSite,
    secure: config.forceHTTPS,
    httpOnly: true,
  }
}

export const isOurCookie = ({ sessionName, passName, flowPrefix }: CookieConfig, name: string): boolean =>
  name === sessionName || name === passName || name.startsWith(flowPrefix)

/** The slot of a flow cookie's name; undefined for a name that we do not give. */
export function slotIn({ flowPrefix }: CookieConfig, name: string): number | undefined {
  const slot = name.slice(flowPrefix.length)
  return name.startsWith(flowPrefix) && /^\d$/.test(slot) && Number(slot) < flowSlots ? Number(slot) : undefined
}
