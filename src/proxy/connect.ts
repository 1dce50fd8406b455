// Connections to upstreams. Made here and not by the proxy's own package, which does not verify an https upstream's
// certificate unless told to (reply-from CVE-2026-107318), and so that each upstream is verified against its own CA.
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTLS } from 'node:tls'

export interface ConnectOptions {
  readonly hostname: string
  readonly protocol: string
  readonly port: string
}

type Connected = (...result: [error: null, socket: Socket] | [error: Error, socket: null]) => void

/** `caPEM`: the certificates to trust for an origin, instead of the system's. */
export function createConnector(caPEM: (origin: string) => string | undefined, timeoutMs: number) {
  return ({ hostname, protocol, port: givenPort }: ConnectOptions, connected: Connected): void => {
    const isSecure = protocol === 'https:'
    const port = givenPort === '' ? (isSecure ? 443 : 80) : Number(givenPort)
    const ca = isSecure
      ? caPEM(new URL(`https://${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`).origin)
      : undefined
    const socket: Socket = isSecure
      ? connectTLS({
          host: hostname,
          port,
          // RFC 6066: an address is never a server name. The certificate is checked against it all the same.
          ...(isIP(hostname) === 0 && { servername: hostname }),
          ...(ca !== undefined && { ca }),
          rejectUnauthorized: true,
          ALPNProtocols: ['http/1.1'],
        })
      : connectPlain({ host: hostname, port })
    socket.setNoDelay(true)
    // A stream may be silent for hours; only this notices that the other side has vanished.
    socket.setKeepAlive(true, 60_000)

    const waiting = setTimeout(() => {
      socket.destroy(
        Object.assign(new Error('the upstream did not accept a connection in time'), {
          code: 'UND_ERR_CONNECT_TIMEOUT',
        }),
      )
    }, timeoutMs)
    const failed = (error: Error) => {
      clearTimeout(waiting)
      connected(error, null)
    }
    socket.once('error', failed)
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      clearTimeout(waiting)
      socket.off('error', failed)
      connected(null, socket)
    })
  }
}
