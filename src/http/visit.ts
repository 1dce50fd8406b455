import type { IncomingHttpHeaders } from 'node:http'

/** A browser's request for one of our own paths, whether it came here itself or a proxy described it. */
export interface Visit {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Lower case, `host[:port]`. */
  readonly host: string
  readonly path: string
  /** Without `?`. */
  readonly query: string
  readonly headers: IncomingHttpHeaders
  readonly clientAddress: string
  readonly requestId: string
  /** Through a forward-auth middleware: its answer reaches the browser only if it is not 2xx. */
  readonly relayed: boolean
}
