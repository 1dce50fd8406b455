import type { Key } from './store.ts'

export const sessionKey = (id: string): Key => ({ kind: 'session', id })
/** Of the mark that says how far the session of this id is withdrawn (mark.ts). */
export const revokedKey = (id: string): Key => ({ kind: 'revoked', id })
/** What a list of sessions tells about this one. */
export const aboutKey = (id: string): Key => ({ kind: 'about', id })
/** Of the set of ids of all sessions that have something in common. */
export const sessionsKey = (tag: string): Key => ({ kind: 'sessions', id: tag })
