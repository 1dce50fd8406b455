// Opens only what was sealed under the same context and secret, as the real one does, without its cost.
import type { Sealer } from '../../src/sealing.ts'
import { parseSweep, type Tagger } from '../../src/session/sweeps.ts'
import type { Visitor } from './world.ts'

export function openSealer(purpose: string): Sealer {
  const seal = (context: string, secret: string | undefined) => Buffer.from(`${purpose} ${context} ${secret ?? ''}\n`)
  return {
    seal: (plain, context, secret) => Buffer.concat([seal(context, secret), plain]),
    open(sealed, context, secret) {
      const head = seal(context, secret)
      if (sealed.length < head.length || sealed.compare(head, 0, head.length, 0, head.length) !== 0) return undefined
      return sealed.subarray(head.length)
    },
  }
}

const plain = (kind: string, name: string) => `${kind}-${name}`.padEnd(16, '-').slice(0, 16)

/** Tags that can be read. */
export const openTagger: Tagger = {
  subject: (_issuer, subject) => plain('s', subject),
  sid: (_issuer, sid) => plain('p', sid),
  user: (user) => plain('u', user),
  everybody: plain('everybody', ''),
  of: ({ subject, user, providerSessionId }) => ({
    subject: plain('s', subject),
    user: plain('u', user),
    ...(providerSessionId !== undefined && { sid: plain('p', providerSessionId) }),
  }),
}

export const openTaggers = [openTagger] as const

/** Whether this is the id of a sweep that ends the visitor's session. */
export function isSweepOf(id: string, { account }: Visitor): boolean {
  const sweep = parseSweep(id)
  if (sweep === undefined || sweep.by === 'everybody') return false
  return [plain('s', account.subject), plain('u', account.subject), plain('p', account.subject)].includes(sweep.tag)
}
