// Opens only what was sealed under the same context and secret, as the real one does, without its cost.
import type { Sealer } from '../../src/sealing.ts'

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
