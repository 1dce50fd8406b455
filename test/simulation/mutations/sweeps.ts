// The end of many sessions at once: a logout that the provider announces, an operator's.
import type { Mutation } from '../mutation-table.ts'

export const sweepMutations: readonly Mutation[] = [
  {
    name: 'near copies stay when a sweep ends them',
    rule: 'sweeps end copies',
    template: undefined,
    edits: [{ file: 'session/withdrawn.ts', find: 'near.delete(session.id)', replace: '' }],
  },
  {
    name: 'what a sweep ends is looked for near, and nowhere else',
    rule: 'sweeps end what is stored, what is in a pass, and what is in a journal',
    template: 'missed',
    edits: [
      {
        file: 'session/withdrawn.ts',
        find: 'isEnded: (session) => floors.isEnded(session.id) || isSwept(session)',
        replace: 'isEnded: (session) => floors.isEnded(session.id)',
      },
      {
        file: 'session/withdrawn.ts',
        find: 'session.generation < floors.of(session.id) || isSwept(session)',
        replace: 'session.generation < floors.of(session.id)',
      },
    ],
  },
  {
    name: 'who can be listed is ended, and nobody is swept',
    rule: 'sweeps reach whom nobody can list',
    template: 'lateLogin',
    edits: [
      {
        file: 'session/selections.ts',
        find: 'cache.withdraw({ id: sweepId(sweeps.renewed(sweep)), floor: everyGeneration }),',
        replace: 'sweepId(sweep) !== "" && (sweeps.add(sweep), true),',
      },
      { file: 'session/selections.ts', find: "Pick<Sweeps, 'renewed' | 'end'>", replace: 'Sweeps' },
    ],
  },
  {
    name: 'a sweep reaches as far as the clock of whoever made it',
    rule: 'clocks of replicas may be apart',
    template: undefined,
    edits: [
      {
        file: 'session/selections.ts',
        find: 'const clocksApartMs = seconds(5)',
        replace: 'const clocksApartMs = seconds(-2)',
      },
    ],
  },
]
