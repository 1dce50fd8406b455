// Rules of the protocol, each left out of the real code by a change of a line or two: the simulation has to notice every one.
// What nobody would miss is not known to be needed, and a test that misses it proves nothing.
import { lossMutations } from './mutations/loss.ts'
import { outageMutations } from './mutations/outage.ts'
import { recordMutations } from './mutations/record.ts'
import { sweepMutations } from './mutations/sweeps.ts'

/** `find` occurs exactly once in the file. */
export interface Edit {
  /** Below src/. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutation {
  /** What is done wrong now. */
  readonly name: string
  /** The rule that is left out (docs/architecture.md), or what it brings back. */
  readonly rule: string
  /** The kind of trouble that finds it soonest; undefined: chance. */
  readonly template: string | undefined
  /** The invariant that has to break, where others do sooner; undefined: any. */
  readonly breaks?: string
  readonly edits: readonly Edit[]
}

export const mutations: readonly Mutation[] = [
  ...outageMutations,
  ...lossMutations,
  ...recordMutations,
  ...sweepMutations,
]
