// Our three cookies: the session's ticket, the pass for an outage, and one per login under way.
import type { CookieConfig } from '../config/config.ts'
import { isFlowId } from '../login/flow.ts'
import type { FlowCookies } from '../login/login.ts'
import { cookiesWithPrefix, cookieValues, expireCookie, setCookie, type CookieAttributes } from './cookies.ts'

export interface BrowserCookies {
  /** Every ticket that was sent: a sibling host can plant a second one, the valid one wins. */
  tickets(header: string | undefined): string[]
  pass(header: string | undefined): string | undefined
  flows(header: string | undefined): FlowCookies
  setTicket(ticket: string): string
  setPass(pass: string): string
  setFlow(id: string, value: string, maxAgeMs: number): string
  expireTicket(): string
  expirePass(): string
  expireFlow(id: string): string
  /** Whether a cookie of this name is ours: not to be passed on to an application. */
  isOurs(name: string): boolean
}

export function createBrowserCookies(
  config: CookieConfig,
  lifetimes: { sessionMaxAgeMs: number; passMaxAgeMs: number },
): BrowserCookies {
  const attributes = (name: string): CookieAttributes => ({
    name,
    domain: config.domain,
    path: config.path,
    sameSite: config.sameSite,
    secure: config.forceHTTPS,
    httpOnly: true,
  })
  // A flow cookie has to come along on the provider's cross-site redirect back to us: `strict` would lose every login.
  const flowAttributes = (id: string): CookieAttributes => ({
    ...attributes(config.flowPrefix + id),
    sameSite: config.sameSite === 'strict' ? 'lax' : config.sameSite,
  })
  return {
    tickets: (header) => cookieValues(header, config.sessionName),
    pass: (header) => cookieValues(header, config.passName)[0],
    flows: (header) =>
      cookiesWithPrefix(header, config.flowPrefix)
        .map(([name, value]) => [name.slice(config.flowPrefix.length), value] as const)
        // A sibling host may plant any name; one that we cannot have given could not even be deleted.
        .filter(([id]) => isFlowId(id)),
    setTicket: (value) =>
      setCookie({ ...attributes(config.sessionName), value, maxAgeSeconds: lifetimes.sessionMaxAgeMs / 1_000 }),
    setPass: (value) =>
      setCookie({ ...attributes(config.passName), value, maxAgeSeconds: lifetimes.passMaxAgeMs / 1_000 }),
    setFlow: (id, value, maxAgeMs) => setCookie({ ...flowAttributes(id), value, maxAgeSeconds: maxAgeMs / 1_000 }),
    expireTicket: () => expireCookie(attributes(config.sessionName)),
    expirePass: () => expireCookie(attributes(config.passName)),
    expireFlow: (id) => expireCookie(flowAttributes(id)),
    isOurs: (name) => name === config.sessionName || name === config.passName || name.startsWith(config.flowPrefix),
  }
}
