// The value of a `revoked` key: up to which generation its session has been withdrawn.
import { everyGeneration } from './withdrawal-log.ts'

const all = '1'

/** `1` for all of it (what replicas from before floors wrote and understand), `f<floor>` for what is below a generation. */
export const markText = (floor: number): string => (floor >= everyGeneration ? all : `f${floor}`)

/** 0: there is no mark. What cannot be read withdraws everything. */
export function floorOfMark(value: Buffer | string | undefined): number {
  if (value === undefined) return 0
  const [, floor] = /^f(\d{1,10})$/.exec(String(value)) ?? []
  return floor === undefined ? everyGeneration : Number(floor)
}
