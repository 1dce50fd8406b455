// What stays open under a token (a WebSocket, an event stream) ends with it: at the token's own end, and at the latest half a minute
// after it no longer counts or no longer suffices. Its proof and its single use were seen to when the stream began.
import type { Bearer } from '../bearer/bearer.ts'
import type { TokenIdentity } from '../bearer/verified-tokens.ts'
import { TokenRejected } from '../errors.ts'
import type { SessionEnd, Watched } from '../session/watch.ts'
import { seconds, type Clock, type Timer } from '../time.ts'

/** `mayGoOn`: whether the rules still let this identity in. `onEnd`: called once at most. */
export type FollowToken = (
  authorization: string,
  identity: TokenIdentity,
  watcher: {
    readonly mayGoOn: (identity: TokenIdentity) => boolean
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

  return (authorization, first, { mayGoOn, onEnd }) => {
    let isOver = false
    let identity = first
    let callOff = schedule()

    function schedule(): () => void {
      const left = (identity.endsAt ?? Infinity) - clock()
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
      try {
        const verified = await bearer.verify({ authorization, proof: undefined, request: undefined, goesOn: true })
        if (verified === undefined || !mayGoOn(verified)) return end('not_allowed')
        identity = verified
      } catch (error) {
        // Trouble of ours or of the provider's ends nobody's work before the token's own end.
        if (error instanceof TokenRejected) return end('revoked')
      }
      if (!isOver) callOff = schedule()
    }

    return { used: () => undefined, stop }
  }
}
