// What stays open under a session (a WebSocket, an event stream, a download) ends with it, and when the rule under which it was let
// through no longer takes the session: because its rights changed, or because its login is no longer as recent as `maxAge` asks.
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { SessionEnd, Watched } from '../session/watch.ts'
import { hours, type Clock, type Timer } from '../time.ts'

/** `goesOnUntil`: see Auth. `onEnd`: called once at most, and never before this returns. */
export type FollowSession = (
  ticket: string,
  passes: readonly string[],
  session: Session,
  watcher: {
    readonly goesOnUntil: (session: Session) => number
    readonly onEnd: (reason: SessionEnd | 'not_allowed') => void
  },
) => Watched

/** A timer takes no more than 24 days. */
const lookAtLeastEveryMs = hours(1)

export function createSessionStreams(deps: {
  readonly sessions: Pick<Sessions, 'watch'>
  readonly clock: Clock
  readonly timer: Timer
}): FollowSession {
  const { sessions, clock, timer } = deps

  return (ticket, passes, first, { goesOnUntil, onEnd }) => {
    let callOff = () => {}
    const watched = sessions.watch(ticket, passes, first, {
      onChange: lookAt,
      onEnd(reason) {
        callOff()
        onEnd(reason)
      },
    })
    waitUntil(goesOnUntil(first), first)

    function lookAt(session: Session): void {
      callOff()
      const until = goesOnUntil(session)
      if (clock() < until) return waitUntil(until, session)
      watched.stop()
      onEnd('not_allowed')
    }

    function waitUntil(until: number, session: Session): void {
      if (until === Infinity) return
      const leftMs = Math.max(0, until - clock())
      callOff = timer(() => lookAt(session), Math.min(leftMs, lookAtLeastEveryMs))
    }

    return {
      used: watched.used,
      stop() {
        callOff()
        watched.stop()
      },
    }
  }
}
