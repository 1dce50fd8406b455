// Who may ask at all. A page in the operator's browser may not, under whichever name it reaches this port (DNS rebinding), nor may
// anybody without the credential; whoever tries too often hears no more than that.
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import { refusal, type AdminAnswer } from './answer.ts'
import type { Credentials } from './credentials.ts'

/** How often a client may be wrong. */
export interface FailureLimit {
  /** Counts one. How long (ms) the client has to wait until the next; 0: not at all. Never throws. */
  take(clientAddress: string): Promise<number>
}

export type Entry = { readonly actor: string } | { readonly refused: AdminAnswer; readonly reason: DoorReason }

export const doorReasons = ['host', 'browser', 'credential', 'rate_limited'] as const
export type DoorReason = (typeof doorReasons)[number]

/** For each client. */
const linesPerMinute = 10

/** Never rejects. */
export type Door = (request: IncomingMessage, requestId: string) => Promise<Entry>

export function createDoor(deps: {
  /** Names, beside `localhost`, by which it may be asked. */
  hosts: readonly string[]
  credentials: Credentials
  failureLimit: FailureLimit
  clock: Clock
  logger: Logger
}): Door {
  const { hosts, credentials, failureLimit, logger } = deps
  const mayTell = createLogQuota(linesPerMinute, deps.clock)

  /** Any address, since nobody's name resolves to one; of names only those that nobody else can point here. */
  function isOurName(host: string | undefined): boolean {
    const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{1,5})?$/.exec(host ?? '') ?? []
    const name = (bracketed ?? plain ?? '').toLowerCase()
    return isIP(name) !== 0 || name === 'localhost' || hosts.includes(name)
  }

  async function refuseFailure(request: IncomingMessage, requestId: string): Promise<Entry> {
    const client = request.socket.remoteAddress ?? 'unknown'
    const waitMs = await failureLimit.take(client)
    if (waitMs > 0) {
      const headers = { 'retry-after': String(Math.ceil(waitMs / 1_000)) }
      return {
        reason: 'rate_limited',
        refused: refusal(429, 'rate_limited', 'too many requests without the right credential', headers),
      }
    }
    if (mayTell(client)) {
      logger.warn(
        { event: 'admin_refused', reason: 'credential', client, requestId },
        'somebody asked at the admin port without the right credential',
      )
    }
    return {
      reason: 'credential',
      refused: refusal(
        401,
        'unauthorized',
        'Authorization: Bearer <admin.token> is needed, or a certificate that admin.tls.clientCAFile vouches for, whichever is configured',
        { 'www-authenticate': 'Bearer realm="foregate admin"' },
      ),
    }
  }

  return async (request, requestId) => {
    const { headers } = request
    if (!isOurName(headers.host)) {
      return {
        reason: 'host',
        refused: refusal(
          421,
          'host_not_allowed',
          'this name is not one of this port: ask by address or as localhost, or list the name in admin.hosts',
        ),
      }
    }
    // Programs send neither. Where a certificate is the whole credential, a browser would show it for any page.
    if (headers.origin !== undefined || (headers['sec-fetch-site'] ?? 'none') !== 'none') {
      return { reason: 'browser', refused: refusal(403, 'browser_not_served', 'pages may not ask here; use a program') }
    }
    // The right credential always counts: whoever guesses must not lock the operator out, least of all when it matters.
    const actor = credentials(request)
    return actor === undefined ? refuseFailure(request, requestId) : { actor }
  }
}
