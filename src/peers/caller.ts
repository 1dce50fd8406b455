// How peers are asked: connections that are kept, a deadline for the whole, and answers of a bounded size.
import { Agent, request } from 'node:http'
import { announcedLength, readBody } from './body.ts'
import { macHeader, path } from './listener.ts'
import { maxMessageBytes, type Signed } from './message.ts'

/** The peer answered, and did not take it: other keys or another deployment, a clock far off, or something in between. */
export class Refused extends Error {}

/** A kept connection was closed by the other side before it answered: it may have gone before the question came. */
export class ConnectionGone extends Error {}

export interface Caller {
  /** Rejects without an answer; with `Refused` or `ConnectionGone` where that is why. */
  post(address: string, question: Signed, signal: AbortSignal): Promise<Signed>
  close(): void
}

// More than one, so that nobody's logout waits for an exchange that is slow; few, so that a burst shares them in order.
const connectionsPerPeer = 4

export function createCaller(): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsPerPeer, maxFreeSockets: 1 })

  return {
    post(address, { body, mac }, signal) {
      return new Promise((resolve, reject) => {
        const { hostname, port } = new URL(`http://${address}`)
        const outgoing = request({
          agent,
          host: hostname.replace(/^\[(.*)\]$/, '$1'),
          port: port === '' ? 80 : Number(port),
          method: 'POST',
          path,
          signal,
          maxHeaderSize: 4_096,
          headers: { 'content-type': 'application/json', 'content-length': body.length, [macHeader]: mac },
        })
        outgoing.on('error', (error) => {
          const isGone = outgoing.reusedSocket && !signal.aborted
          reject(isGone ? new ConnectionGone('the connection was closed', { cause: error }) : error)
        })
        outgoing.on('response', (response) => {
          const given = response.headers[macHeader]
          const isWhole = announcedLength(response, maxMessageBytes) !== undefined
          if (response.statusCode !== 200 || typeof given !== 'string' || !isWhole) {
            response.destroy()
            reject(new Refused(`status ${response.statusCode}`))
            return
          }
          readBody(response).then((answer) => resolve({ body: answer, mac: given }), reject)
        })
        outgoing.end(body)
      })
    },
    close: () => agent.destroy(),
  }
}
