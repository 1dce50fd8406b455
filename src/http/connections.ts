// The connections of a server that is to stop. While it drains it answers as ever, but each answer is its connection's last, so
// that clients come back by a new connection, to whoever takes one. Closing idle connections instead would hit requests that are
// just on their way, which no proxy repeats unless they are GETs.
import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Timer } from '../time.ts'

export interface Connections {
  /** From now on each answer carries `Connection: close`. */
  answerLast(): void
  /** Takes no more connections. Resolves once all are gone: those without a request under way are closed, now and as they become so. */
  close(): Promise<void>
  /** Cuts what is left. How many connections that were. */
  cut(): number
}

// Also how long a connection that was just accepted has for its request to arrive.
const lookAgainMs = 100

export function createConnections(server: Server, timer: Timer): Connections {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })

  return {
    answerLast() {
      // Listened to from here on only: a serving process pays nothing for it.
      server.prependListener('request', (_request, response) => void response.setHeader('connection', 'close'))
    },

    close() {
      const { promise, resolve } = Promise.withResolvers<void>()
      let isClosed = false
      // Not the HTTP server's own: that one also destroys connections that were just accepted, whose request is about to be read.
      NetServer.prototype.close.call(server, () => {
        isClosed = true
        resolve()
      })
      function closeIdle(): void {
        if (isClosed) return
        server.closeIdleConnections()
        // To older Nodes a connection that has sent nothing yet is not idle, but waited for.
        for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
        timer(closeIdle, lookAgainMs)
      }
      timer(closeIdle, lookAgainMs)
      return promise
    },

    cut() {
      const count = open.size
      for (const socket of open) socket.destroy()
      return count
    },
  }
}
