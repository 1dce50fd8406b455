import type { Session } from './session.ts'
import type { Swept, Taggers } from './sweeps.ts'

/** A session with its tags, which are computed once for each state of it. */
export function createTagged(taggers: Taggers, userOf: (session: Session) => string): (session: Session) => Swept {
  const known = new WeakMap<Session, Swept>()
  return (session) => {
    let tagged = known.get(session)
    if (tagged === undefined) {
      const named = { ...session, user: userOf(session) }
      const { createdAt, issuedAt, after } = session
      tagged = {
        createdAt,
        ...(issuedAt !== undefined && { issuedAt }),
        after,
        tags: taggers.map((tagger) => tagger.of(named)),
      }
      known.set(session, tagged)
    }
    return tagged
  }
}
