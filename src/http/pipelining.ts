import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** More than any client that pipelines at all has under way; browsers and proxies have one. */
const usual = 32

/**
 * Cuts connections that ask for more before they have their answers. Node hands on every request as it is read: some 60 bytes each,
 * and all of them at once would be an application's connections and places in a queue, for one connection of a stranger's.
 */
export function limitPipelining(server: Server, requests = usual): void {
  const underWay = new WeakMap<Socket, number>()
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const count = (underWay.get(socket) ?? 0) + 1
    underWay.set(socket, count)
    if (count > requests) return void socket.destroy()
    response.once('close', () => underWay.set(socket, (underWay.get(socket) ?? 1) - 1))
  })
}
