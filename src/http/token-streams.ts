// What stays open under a token (a WebSocket, an event stream) ends with it: at the token's own end, when its login is no longer as recent
// as a rule asks, and at the latest half a minute after it no longer counts or no longer suffices. Its proof and its single use were seen to when the stream began.
import type { Bearer } from '../bearer/bearer.ts'
import type { TokenIdentity } from '../bearer/verified-tokens.ts'
import { TokenRejected } from '../errors.ts'
import type { SessionEnd, Watched } from '../session/watch.ts'
import { seconds, type Clock, type Timer } from '../time.ts'

/** `goesOnUntil`: see Auth. `onEnd`: called once at most. */
export type FollowToken = (
  authorization: string,
  identity: TokenIdentity,
  watcher: {
    readonly goesOnUntil: (identity: TokenIdentity) => number
    readonly onEnd: (reason: SessionEnd | 'not_allowed') => void
  },
) => Watched

const lookEveryMs = seconds(30)

export function createTokenStreams(deps: {
  readonly bearer: Pick<Bearer, 'verify'>
  readonly clock: Clock
  readonly timer: Timer
}): FollowToken {
  const { bearer, clock, timer } = deps

  return (authorization, first, { goesOnUntil, onEnd }) => {
    let isOver = false
    let identity = first
    let until = goesOnUntil(first)
    let callOff = schedule()

    function schedule(): () => void {
      const left = Math.min(identity.endsAt ?? Infinity, until) - clock()
      return timer(() => void look(), Math.max(0, Math.min(lookEveryMs, left)))
    }

    function end(reason: SessionEnd | 'not_allowed'): void {
      if (isOver) return
      stop()
      onEnd(reason)
    }

    function stop(): void {
      isOver = true
      callOff()
    }

    async function look(): Promise<void> {
      if (isOver) return
      if (identity.endsAt !== undefined && clock() >= identity.endsAt) return end('expired')
      if (clock() >= until) return end('not_allowed')
      try {
        const verified = await bearer.verify({ authorization, proof: undefined, request: undefined, goesOn: true })
        if (verified === undefined) return end('not_allowed')
        identity = verified
        until = goesOnUntil(verified)
        if (clock() >= until) return end('not_allowed')
      } catch (error) {
        // Trouble of ours or of the provider's ends nobody's work before the token's own end.
        if (error instanceof TokenRejected) return end('revoked')
      }
      if (!isOver) callOff = schedule()
    }

    return { used: () => undefined, stop }
  }
}
