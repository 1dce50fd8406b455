// A file of withdrawals that outlives the process.
import type { Spool, Spooled } from '../../src/cache/spool.ts'
import type { Chance } from './chance.ts'
import type { Events, Loop } from './events.ts'

/** `file`: by id. */
export function simulatedSpool(deps: {
  events: Events
  chance: Chance
  loop: Loop
  file: Map<string, Spooled>
}): Spool {
  const { events, chance, loop, file } = deps
  return {
    place: 'simulated',
    probe: () => Promise.resolve(),
    load: () => Promise.resolve([...file.values()]),
    keep: (withdrawal) =>
      new Promise((resolve) => {
        events.on(loop, 'socket', events.now + chance.between(1, 8), () => {
          const before = file.get(withdrawal.id)
          if (before === undefined || before.floor < withdrawal.floor) file.set(withdrawal.id, withdrawal)
          resolve()
        })
      }),
    release: (id) => void file.delete(id),
    close: () => Promise.resolve(),
  }
}
