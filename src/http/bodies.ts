// How long a body may hold its connection where whole requests have no limit, because an upload or a download may take as long as it
// likes. Some may not: what was answered already is of no use, and what trickles in, or what nobody takes, holds an application's
// connection, too.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { minutes, seconds, type Timer } from '../time.ts'

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

export interface BodyLimits {
  /** From the answer on. Not at once: a client that is still sending would see a reset instead of the answer. */
  readonly afterAnswerMs: number
  /** In each period at least so many bytes must arrive. */
  readonly periodMs: number
  readonly bytesPerPeriod: number
  /** Of an answer that waits for its client something must be taken in each. It is seen in pieces of 64 KB. */
  readonly takingMs: number
}

// 100 bytes per second: less than any line that an upload would ever end on.
const usual: BodyLimits = {
  afterAnswerMs: seconds(5),
  periodMs: minutes(1),
  bytesPerPeriod: 6_000,
  takingMs: minutes(2),
}

/** Cuts connections whose body takes too long. */
export function limitBodies(server: Server, timer: Timer, limits: BodyLimits = usual): void {
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    limitAnswer(request, response, timer, limits)
    if (!hasBody(request)) return
    const { socket } = request
    let read = socket.bytesRead
    let cancel = timer(look, limits.periodMs)

    function look(): void {
      if (request.complete) return
      if (socket.bytesRead - read < limits.bytesPerPeriod) return void socket.destroy()
      read = socket.bytesRead
      cancel = timer(look, limits.periodMs)
    }
    response.once('close', () => {
      cancel()
      if (!request.complete) timer(() => void (request.complete || socket.destroy()), limits.afterAnswerMs)
    })
  })
}

/** Silence is no fault: an event stream, or an application that thinks, has nothing to be taken. */
function limitAnswer(
  { socket }: IncomingMessage,
  response: ServerResponse,
  timer: Timer,
  { takingMs }: BodyLimits,
): void {
  // What the system has taken over; what waits behind it is the client's to make room for.
  const taken = () => socket.bytesWritten - socket.writableLength
  let waitedAt: number | undefined
  let cancel = timer(look, takingMs)

  function look(): void {
    // A WebSocket's answer never closes.
    if (socket.destroyed) return
    if (socket.writableLength === 0) waitedAt = undefined
    else if (waitedAt === taken()) return void socket.destroy()
    else waitedAt = taken()
    cancel = timer(look, takingMs)
  }
  response.once('close', () => cancel())
}
