// The contracts: what each kind of proxy sends to a decision endpoint, and what it accepts from one. One row per contract. The
// option's choices, the routes, the metric labels, the readers of http/contracts.ts and the tests' lists come from here.

export interface ContractFacts {
  /** Where it describes the original request: X-Forwarded-*, X-Original-*, its own request line, or what the operator names. */
  readonly describedBy: 'x-forwarded' | 'x-original' | 'request-line' | 'dialect'
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

export type ForwardAuthContract = keyof typeof forwardAuthContracts
export type Contract = keyof typeof contracts

// The keys of a literal are exactly those of its type.
export const forwardAuthContractNames = Object.keys(forwardAuthContracts) as readonly ForwardAuthContract[]
export const contractNames = Object.keys(contracts) as readonly Contract[]

/** The address of a contract's decision endpoint; all but oauth2-proxy's, which has its own. */
export const decisionPath = (contract: ForwardAuthContract): string => `/auth/${contract}`
