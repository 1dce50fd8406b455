// Peers room: how the messages of the second road (cache/peers.ts) travel from replica to replica. It owns the port, the wire
// format, the proof that a message is a peer's and no replay, and where peers are looked for. What is said, and what follows from
// it, is the cache's business. Plain HTTP within the deployment's network: a reader learns ids of sessions, which open nothing;
// a writer without a key achieves nothing that cutting the cable would not.
import type { PeerMessage, PeerReply, PeerTransport } from '../cache/peers.ts'
import type { Address, PeersConfig } from '../config/config.ts'
import type { Runtime } from '../runtime.ts'
import { createCaller, ConnectionGone, Refused } from './caller.ts'
import { createListener, listenerLimits, type ListenerLimits } from './listener.ts'
import { createMessages, type Signed } from './message.ts'
import { createNotices } from './notices.ts'
import { createReplayWindow } from './replay-window.ts'
import { fixedWhereabouts, namedWhereabouts, systemResolve, type Resolve, type Whereabouts } from './whereabouts.ts'

export interface HttpTransport extends PeerTransport {
  /** Undefined while it does not listen. */
  readonly port: number | undefined
  /** Open connections of others to us. */
  readonly connections: number
}

export interface HttpTransportParts {
  readonly listen: Address
  /** The first signs, all are accepted (rotation). */
  readonly keys: readonly Buffer[]
  /** Names the deployment: provider, client and key prefix. */
  readonly scope: string
  readonly whereabouts: Whereabouts
  readonly runtime: Pick<Runtime, 'clock' | 'timer' | 'logger'>
  readonly limits?: ListenerLimits
}

export function createWhereabouts(
  { addresses, dns }: PeersConfig,
  runtime: Pick<Runtime, 'timer' | 'logger'>,
  resolve: Resolve = systemResolve,
): Whereabouts {
  return dns === undefined ? fixedWhereabouts(addresses) : namedWhereabouts({ name: dns, resolve, runtime })
}

export function createHttpTransport(parts: HttpTransportParts): HttpTransport {
  const { listen, keys, scope, whereabouts, runtime, limits = listenerLimits } = parts
  const { clock, timer, logger } = runtime
  const messages = createMessages(keys, scope)
  const window = createReplayWindow(clock)
  const notice = createNotices(logger, clock)
  const caller = createCaller()
  const underWay = new Set<AbortController>()
  let seq = 0
  let stopped = false
  let port: number | undefined
  let answer: ((message: PeerMessage) => PeerReply) | undefined

  function exchange(question: Signed, from: string): Signed | undefined {
    const stamped = messages.readAsk(question)
    if (typeof stamped === 'string') {
      notice(
        { event: 'peer_refused', reason: stamped, from },
        stamped === 'not_ours'
          ? 'a message that no peer has signed: another sessionEncryptionKey, provider, client or key prefix, or a stranger'
          : 'a peer’s message that is not understood: is it of another version?',
      )
      return undefined
    }
    const admission = window.admit({ origin: stamped.message.origin, seq: stamped.seq, sentAt: stamped.sentAt })
    if (admission === 'new') return answer && messages.answer(answer(stamped.message), question.mac)
    const offMs = clock() - stamped.sentAt
    // From before our start is everyday, where clocks are some seconds apart.
    if (admission === 'replayed' || Math.abs(offMs) > 60_000) {
      notice(
        { event: 'peer_refused', reason: admission, from, offMs },
        admission === 'stale'
          ? 'a peer’s clock and ours are minutes apart, or somebody sends its old messages again'
          : 'somebody sends a peer’s messages again',
      )
    }
    return undefined
  }

  const listener = createListener({ listen, limits, exchange, logger, notice })

  async function ask(address: string, message: PeerMessage, signal: AbortSignal): Promise<PeerReply> {
    const question = messages.ask({ message, seq: ++seq, sentAt: clock() })
    const reply = messages.readAnswer(await caller.post(address, question, signal), question.mac)
    if (typeof reply === 'string') throw new Refused(`the answer is ${reply}`)
    return reply
  }

  async function send(address: string, message: PeerMessage, timeoutMs: number): Promise<PeerReply> {
    if (stopped) throw new Error('stopped')
    const abort = new AbortController()
    underWay.add(abort)
    const callOff = timer(() => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    try {
      for (;;) {
        try {
          return await ask(address, message, abort.signal)
        } catch (error) {
          // Asked again, and as a new message: the old one may have been heard.
          if (!(error instanceof ConnectionGone)) throw error
        }
      }
    } catch (error) {
      if (error instanceof Refused) {
        notice(
          { event: 'peer_refuses', reason: 'refused', address, err: error },
          'a peer does not take our messages, or its answers are not a peer’s: do keys, provider, client, key prefix and clocks agree?',
        )
      }
      throw error
    } finally {
      callOff()
      underWay.delete(abort)
    }
  }

  return {
    addresses: whereabouts.current,
    send,
    async start(respond) {
      answer = respond
      // Where it cannot listen, it still tells others: they are looked for all the same.
      const [bound] = await Promise.all([listener.start(), whereabouts.start()])
      port = bound
      logger.info({ event: 'peers_listening', address: listen.host, port }, `peers are heard on port ${port}`)
    },
    async stop() {
      stopped = true
      port = undefined
      whereabouts.stop()
      for (const abort of underWay) abort.abort(new Error('stopped'))
      caller.close()
      await listener.stop()
    },
    get port() {
      return port
    },
    get connections() {
      return listener.connections
    },
  }
}
