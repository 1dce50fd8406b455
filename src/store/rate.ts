// One step of the generic cell rate algorithm (ITU-T I.371): one number for each client, the moment at which what was taken so far
// would have been taken at an even pace. Pure; fgTake in redis/scripts.ts is the same on the server.

export interface Rate {
  /** Between two at an even pace (ms, may be a fraction; > 0, <= `windowMs`). */
  readonly intervalMs: number
  /** What may be taken at once is what is due in so long (ms). */
  readonly windowMs: number
}

export interface Taken {
  /** How long until it may be taken (ms); 0: it was. */
  readonly waitMs: number
  /** To be remembered, for no longer than until then. */
  readonly dueAt: number
}

/** `dueAt`: as remembered, 0 for nothing. One that lies too far ahead is another clock's: it says nothing. */
export function take(dueAt: number, now: number, { intervalMs, windowMs }: Rate): Taken {
  const from = dueAt > now + windowMs ? now : Math.max(dueAt, now)
  const next = from + intervalMs
  return next > now + windowMs ? { waitMs: Math.ceil(next - windowMs - now), dueAt: from } : { waitMs: 0, dueAt: next }
}
