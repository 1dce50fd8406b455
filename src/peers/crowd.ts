// Connections of the listener: so many and no more, and no stranger keeps a peer out. Where another one comes, the oldest that has
// proved nothing goes; then the peer's connection that has been idle for longest, which costs that peer a new one.
import type { Socket } from 'node:net'

export interface Crowd {
  /** Takes it in, or closes it where all others are at work. */
  admit(socket: Socket): void
  /** A request begins; call the result when it is answered. */
  atWork(socket: Socket): () => void
  /** It carried a message that only a peer can have written. */
  proved(socket: Socket): void
  closeAll(): void
  readonly size: number
}

export function createCrowd(limit: number): Crowd {
  // In the order of their last use.
  const members = new Map<Socket, { isProven: boolean; requests: number }>()

  function find(isMeant: (member: { isProven: boolean; requests: number }) => boolean): Socket | undefined {
    for (const [socket, member] of members) if (isMeant(member)) return socket
    return undefined
  }

  return {
    admit(socket) {
      if (members.size >= limit) {
        const leaves =
          find(({ isProven }) => !isProven) ?? find(({ isProven, requests }) => isProven && requests === 0) ?? socket
        members.delete(leaves)
        leaves.destroy()
      }
      if (socket.destroyed) return
      members.set(socket, { isProven: false, requests: 0 })
      socket.once('close', () => members.delete(socket))
    },
    atWork(socket) {
      const member = members.get(socket)
      if (member === undefined) return () => {}
      member.requests++
      return () => void member.requests--
    },
    proved(socket) {
      const member = members.get(socket)
      if (member === undefined) return
      member.isProven = true
      members.delete(socket)
      members.set(socket, member)
    },
    closeAll() {
      for (const socket of members.keys()) socket.destroy()
    },
    get size() {
      return members.size
    },
  }
}
