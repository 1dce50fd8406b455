// Whether what the log says now goes on from where this process has read: pure.
import { chainAfter, type BeatReply, type Position } from '../store/withdrawal-log.ts'

/** The positions from `from` to the head, where the entries lead from one to the other; undefined: it is another history. */
export function follows(from: Position, { head, entries }: BeatReply): readonly Position[] | undefined {
  if (entries === undefined || head.n < from.n) return undefined
  const steps: Position[] = []
  let { chain } = from
  for (const entry of entries) {
    chain = chainAfter(chain, entry)
    steps.push({ n: entry.n, chain })
  }
  return chain === head.chain ? steps : undefined
}

/** The latest positions of one history: whether somebody else's lies on it. */
export interface Trail {
  add(position: Position): void
  /** Another history begins. */
  startAt(position: Position): void
  includes(position: Position): boolean
}

const kept = 2_000

export function createTrail(): Trail {
  const chains = new Map<number, string>()
  return {
    add({ n, chain }) {
      chains.set(n, chain)
      if (chains.size <= kept) return
      const [oldest] = chains.keys()
      if (oldest !== undefined) chains.delete(oldest)
    },
    startAt({ n, chain }) {
      chains.clear()
      chains.set(n, chain)
    },
    includes: ({ n, chain }) => chains.get(n) === chain,
  }
}
