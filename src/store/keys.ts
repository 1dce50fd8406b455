import type { Key } from './store.ts'

export const sessionKey = (id: string): Key => ({ kind: 'session', id })
/** Of the mark that says how far the session of this id is withdrawn (mark.ts). */
export const revokedKey = (id: string): Key => ({ kind: 'revoked', id })
