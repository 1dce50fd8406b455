// A session store over a fake cache: what is stored can be looked at, lost and put there.
import { randomBytes } from 'node:crypto'
import { createWithdrawn } from '../../src/session/withdrawn.ts'
import { createSealer } from '../../src/sealing.ts'
import { createSessionCodec, generationOf } from '../../src/session/codec.ts'
import { createNearCache } from '../../src/session/near-cache.ts'
import { createSessionStore } from '../../src/session/session-store.ts'
import type { Session, SessionWithTokens } from '../../src/session/session.ts'
import { newTicket, type Ticket } from '../../src/session/ticket.ts'
import { createFakeCache } from '../fixtures/fake-cache.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aSession } from '../fixtures/session.ts'
import { encryptionKey, hour, lifetimesOf, runtimeOf } from './world.ts'

export const keyOf = ({ id }: Ticket) => ({ kind: 'session' as const, id })

export function aStore(idleTimeoutMs?: number) {
  const time = fakeTime()
  const runtime = runtimeOf(time, recordedLog())
  const { clock, stopwatch } = runtime
  const cache = createFakeCache({ clock, stopwatch })
  const lifetimes = lifetimesOf(clock, { idleTimeoutMs })
  const withdrawn = createWithdrawn(cache.floors, () => false)
  const near = createNearCache({
    limits: { maxItems: undefined, maxBytes: 10_000_000 },
    lifetimes,
    isWithdrawn: withdrawn.is,
    tagsOf: () => [],
    shared: true,
    runtime,
  })
  cache.floors.onRaise(({ id, floor }) => near.deleteBelow(id, floor))
  const codec = createSessionCodec(createSealer([encryptionKey], 'session', randomBytes), 7 * 86_400_000, () => true)
  const { reader, writer, writeBack } = createSessionStore({
    cache,
    codec,
    near,
    lifetimes,
    withdrawn,
    list: () => Promise.resolve(),
    clock,
    stopwatch,
  })
  const full = (ticket: Ticket, overrides: Partial<Session> = {}): SessionWithTokens => {
    const generation = overrides.generation ?? 1
    const session = aSession({
      id: ticket.id,
      createdAt: clock(),
      expiresAt: clock() + 24 * hour,
      tokenExpiresAt: clock() + 2 * hour,
      refreshAt: clock() + 2 * hour,
      refreshable: true,
      ...overrides,
      generation,
    })
    return {
      session,
      tokens: { accessToken: `at-${generation}`, idToken: undefined, refreshToken: `rt-${generation}` },
    }
  }
  const login = async (overrides: Partial<Session> = {}) => {
    const ticket = newTicket(randomBytes)
    const isWritten = await writer.create(ticket, full(ticket, overrides))
    return { ticket, isWritten }
  }
  const { memory } = cache.store
  return {
    time,
    cache,
    near,
    codec,
    reader,
    writer,
    writeBack,
    full,
    login,
    stopwatch,
    /** The generation that lies in the shared store. */
    async stored(ticket: Ticket) {
      const value = await memory.get(keyOf(ticket))
      return value === undefined ? undefined : generationOf(value)
    },
    lose: (ticket: Ticket) => memory.delete(keyOf(ticket)),
    put: (ticket: Ticket, state: SessionWithTokens) => memory.set(keyOf(ticket), codec.encode(state, ticket), hour),
  }
}
