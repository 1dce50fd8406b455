// The contracts: what each kind of proxy sends to a decision endpoint, and what it accepts from one. One row per contract. The
// option's choices, the routes, the metric labels, the readers of http/contracts.ts and the tests' lists come from here.

/** Where the original request is described: in four X-Forwarded-*, in two X-Original-*, in the request line, in Host and X-Forwarded-Uri. */
export type Description = 'x-forwarded' | 'x-original' | 'request-line' | 'host-and-uri' | 'nowhere'

export interface ContractFacts {
  /** `dialect`: as the operator says in `forwardAuth.oauth2ProxyDialect`. */
  readonly describedBy: Description | 'dialect'
  /** Not logged in: how a navigation is sent on. `provider`: at once; `start`: to our own start; `refuse`: 401 with a Location. */
  readonly loginBy: 'provider' | 'start' | 'refuse'
  /** The middleware relays whole answers, so that callback, logout and start work through it. */
  readonly performsOwnPaths: boolean
  /** The status that reaches the browser, or at least does no harm, when the subrequest itself is bad. */
  readonly badRequestStatus: 400 | 403
  /** The status of "allow", where it is not the operator's to choose. */
  readonly allowStatus?: number
}

/** Those at `/auth/NAME`, which `forwardAuth.contract` may name for the bare `/auth`. */
const forwardAuthContracts = {
  traefik: { describedBy: 'x-forwarded', loginBy: 'provider', performsOwnPaths: true, badRequestStatus: 400 },
  caddy: { describedBy: 'x-forwarded', loginBy: 'provider', performsOwnPaths: true, badRequestStatus: 400 },
  nginx: { describedBy: 'x-original', loginBy: 'refuse', performsOwnPaths: false, badRequestStatus: 403 },
  haproxy: { describedBy: 'x-forwarded', loginBy: 'start', performsOwnPaths: false, badRequestStatus: 400 },
  // Envoy and the Gateway API take exactly 200.
  envoy: {
    describedBy: 'request-line',
    loginBy: 'start',
    performsOwnPaths: false,
    badRequestStatus: 403,
    allowStatus: 200,
  },
} as const satisfies Readonly<Record<string, ContractFacts>>

export const contracts = {
  ...forwardAuthContracts,
  'oauth2-proxy': {
    describedBy: 'dialect',
    loginBy: 'refuse',
    performsOwnPaths: false,
    badRequestStatus: 403,
    allowStatus: 202,
  },
} as const satisfies Readonly<Record<string, ContractFacts>>

/**
 * What the recipes of oauth2-proxy's documentation set on a subrequest. All of them come to one address, and a header that one of
 * them sets is the client's own in another: nobody but the operator can say which it is.
 */
export const oauth2ProxyDialects = {
  none: 'nowhere',
  nginx: 'host-and-uri',
  'ingress-nginx': 'x-original',
  traefik: 'x-forwarded',
  caddy: 'x-forwarded',
} as const satisfies Readonly<Record<string, Description>>

export type OAuth2ProxyDialect = keyof typeof oauth2ProxyDialects
export type ForwardAuthContract = keyof typeof forwardAuthContracts
export type Contract = keyof typeof contracts

// The keys of a literal are exactly those of its type.
export const forwardAuthContractNames = Object.keys(forwardAuthContracts) as readonly ForwardAuthContract[]
export const oauth2ProxyDialectNames = Object.keys(oauth2ProxyDialects) as readonly OAuth2ProxyDialect[]
export const contractNames = Object.keys(contracts) as readonly Contract[]

/** The address of a contract's decision endpoint; all but oauth2-proxy's, which has its own. */
export const decisionPath = (contract: ForwardAuthContract): string => `/auth/${contract}`
