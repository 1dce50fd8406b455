// Two ends of a WebSocket, joined: bytes go through as they come, and are looked at only for where frames end.
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { seconds, type Timer } from '../time.ts'
import { closeFrame, createFrameTracker } from './frames.ts'

export interface Tunnel {
  /**
   * Ends it by a close frame to both, where one fits in: never within a frame of theirs. Nothing else goes through from here on, and
   * whoever does not take it is cut off.
   */
  close(code: number, reason: string): void
}

/** For a close frame to be taken. */
const partingMs = 300
/** For what was sent before one side said that it ends. */
const draining = seconds(10)

export function joinWebSocket(deps: {
  client: Socket
  application: Duplex
  /** The client sent data, rather than answers to pings. */
  onUse(): void
  /** Called once, when both have gone. */
  onEnd(): void
  /** Silent for so long, or half as long again at most, it ends; undefined: it may be silent for ever. */
  idleMs: number | undefined
  onIdle(): void
  timer: Timer
}): Tunnel {
  const { client, application, idleMs, timer } = deps
  const fromClient = createFrameTracker('client')
  const fromApplication = createFrameTracker('server')
  let state: 'open' | 'parting' | 'ended' = 'open'
  let callOffEnd = () => {}
  let callOffIdle = () => {}
  let quietHalves = 0

  function end(): void {
    if (state === 'ended') return
    state = 'ended'
    callOffEnd()
    callOffIdle()
    client.destroy()
    application.destroy()
    deps.onEnd()
  }

  function endAfter(ms: number): void {
    callOffEnd()
    callOffEnd = timer(end, ms)
  }

  function pass(from: Duplex, to: Duplex, look: (bytes: Buffer) => void): void {
    from.on('data', (bytes: Buffer) => {
      if (state !== 'open') return
      quietHalves = 0
      look(bytes)
      if (!to.write(bytes)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => {
      if (state !== 'open') return
      to.end()
      endAfter(draining)
    })
    from.on('error', end)
    // At the parting each has its own frame to take.
    from.on('close', () => (state === 'open' || to.destroyed ? end() : undefined))
  }
  pass(client, application, (bytes) => void (fromClient.push(bytes) && deps.onUse()))
  pass(application, client, (bytes) => void fromApplication.push(bytes))

  function watchIdle(halfMs: number): void {
    callOffIdle = timer(() => {
      // The first may have begun in the midst of them.
      if (++quietHalves >= 3) return deps.onIdle()
      watchIdle(halfMs)
    }, halfMs)
  }
  if (idleMs !== undefined) watchIdle(idleMs / 2)

  return {
    close(code, reason) {
      if (state !== 'open') return
      state = 'parting'
      callOffIdle()
      endAfter(partingMs)
      leave(client, fromApplication.isAtBoundary() ? closeFrame('server', code, reason) : undefined)
      leave(application, fromClient.isAtBoundary() ? closeFrame('client', code, reason) : undefined)
    },
  }
}

function leave(to: Duplex, frame: Buffer | undefined): void {
  if (frame === undefined) return void to.destroy()
  to.end(frame)
  // Read on: what they still send, left unread, would make a reset of the end, which takes the frame with it.
  to.resume()
}
