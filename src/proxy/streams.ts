// What stays open: WebSockets, event streams, uploads and downloads that take longer than a moment. Each ends with the session under
// which it was let through, and is counted while it lasts.
import type { SessionEnd, Watched } from '../session/watch.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'

const kinds = ['websocket', 'events', 'transfer'] as const
export type StreamKind = (typeof kinds)[number]

/** `not_allowed`: its session goes on, with rights that the rule does not take; `silent`: nothing came for too long. */
export type StreamEnd = SessionEnd | 'not_allowed' | 'silent'
const endings: readonly StreamEnd[] = ['revoked', 'expired', 'idle', 'ended', 'unproven', 'not_allowed', 'silent']

/** Undefined: no session stands behind it. `onEnd`: it may not go on; called once at most, never before this returns. */
export type Follow = (onEnd: (reason: StreamEnd) => void) => Watched | undefined

export interface OpenStream {
  /** Its person did something: a use of the session. */
  used(): void
  /** It ended by itself. */
  done(): void
  /** Counts, and closes. */
  end(reason: StreamEnd): void
}

export interface Streams {
  /** `kind`: asked for when counted, since an answer says what it is when it begins. `close`: called once at most. */
  open(kind: () => StreamKind, follow: Follow, close: (reason: StreamEnd) => void): OpenStream
}

export function createStreams(metrics: Pick<Metrics, 'streamsClosed' | 'gauge'>): Streams {
  const open = new Set<() => StreamKind>()
  fromZero(
    metrics.streamsClosed,
    endings.map((reason) => ({ reason })),
  )
  metrics.gauge('open_streams', 'Streams of reverse-proxy mode that are open.', ['kind'], () => {
    const counted = new Map<StreamKind, number>(kinds.map((kind) => [kind, 0]))
    for (const kind of open) counted.set(kind(), (counted.get(kind()) ?? 0) + 1)
    return Array.from(counted, ([kind, value]) => ({ labels: { kind }, value }))
  })

  return {
    open(kind, follow, close) {
      // One entry each, whatever function says its kind.
      const entry = () => kind()
      open.add(entry)
      let isOpen = true
      const done = () => {
        if (!isOpen) return
        isOpen = false
        open.delete(entry)
        standing?.stop()
      }
      const end = (reason: StreamEnd) => {
        if (!isOpen) return
        done()
        metrics.streamsClosed.labels({ reason }).value++
        close(reason)
      }
      const standing = follow(end)
      return { used: () => standing?.used(), done, end }
    },
  }
}
