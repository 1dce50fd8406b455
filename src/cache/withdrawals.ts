// A withdrawal is made known: here first, then to Redis (log and mark), to the peers, and where nobody else took it, to the
// spool. The answer waits for the first of them, and says honestly whether there was any.
import type { Runtime } from '../runtime.ts'
import { revokedKey, sessionKey } from '../store/keys.ts'
import { isRefusal } from '../store/redis/faults.ts'
import type { Store } from '../store/store.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { Withdrawal, WithdrawalLog } from '../store/withdrawal-log.ts'
import type { Floors } from './floors.ts'
import type { Peers } from './peers.ts'
import type { GuardedSpool } from './guarded-spool.ts'
import type { Spooled } from './spool.ts'

export interface Withdrawals {
  withdraw(withdrawal: Withdrawal): Promise<boolean>
  /** Writes what the log is not known to have. Throws StoreUnavailable. */
  writeBack(): Promise<void>
  /**
   * For an orderly end: to peers and spool, whatever the log may lack. `isInStep`: the log was just seen to have what counts as
   * logged. True: nothing is lost with this process.
   */
  handOver(isInStep: boolean): Promise<boolean>
}

const perAppend = 500
/** One call writes no more than this: beats go on in between. */
const perWriteBack = 10_000
/** What the last flush may take. */
const handOverMs = 2_000

export function createWithdrawals(deps: {
  floors: Floors
  log: WithdrawalLog
  /** Not behind the circuit: a withdrawal is always tried. */
  rawStore: Store
  peers: Peers | undefined
  spool: GuardedSpool | undefined
  /** How long a withdrawal is of use. */
  lifeMs: number
  /** How long an answer may wait, now. */
  deadlineMs: () => number
  /** A disk is no Redis: it has its whole time, whatever the request has waited. */
  spoolDeadlineMs: number
  note: (withdrawal: Withdrawal) => string
  onRefusal: (error: unknown) => void
  runtime: Pick<Runtime, 'clock' | 'timer' | 'stopwatch' | 'nextTurn' | 'logger'>
}): Withdrawals {
  const { floors, log, rawStore, peers, spool, note, runtime } = deps
  const { clock, logger } = runtime
  floors.onLogged((id) => spool?.release(id))

  async function mark({ id, floor }: Withdrawal, expiresAt: number): Promise<void> {
    const ttlMs = Math.max(1, Math.ceil(expiresAt - clock()))
    await rawStore.withdraw(sessionKey(id), revokedKey(id), floor, ttlMs, note({ id, floor }))
  }

  async function toRedis(withdrawal: Withdrawal, expiresAt: number): Promise<boolean> {
    try {
      await Promise.all([log.append([withdrawal]), mark(withdrawal, expiresAt)])
      return true
    } catch (error) {
      if (isRefusal(error)) deps.onRefusal(error)
      // Where it was not seen to arrive, every beat tries again.
      return false
    }
  }

  /** The first that has it decides; false once nobody can be waited for any longer. */
  function firstOf(tasks: readonly Promise<boolean>[], limitMs: number): Promise<boolean> {
    const any = new Promise<boolean>((resolve) => {
      let open = tasks.length
      for (const task of tasks) {
        void task.then((isKept) => {
          open--
          if (isKept || open === 0) resolve(isKept)
        })
      }
    })
    return withTimeout(any, limitMs, runtime, () => new Error('nobody has answered yet')).catch(() => false)
  }

  const spooled = (withdrawal: Spooled, limitMs: number): Promise<boolean> =>
    spool?.keep(withdrawal, limitMs) ?? Promise.resolve(false)

  async function withdraw(withdrawal: Withdrawal): Promise<boolean> {
    // Its session's own end may be nearer here than on other replicas: clocks differ, and so does maxAge while it is changed.
    const expiresAt = clock() + deps.lifeMs
    floors.raise(withdrawal, false, expiresAt)
    if (floors.isLogged(withdrawal.id)) return true
    const limitMs = deps.deadlineMs()
    let byPeers = Promise.resolve(false)
    if (peers !== undefined) {
      byPeers = new Promise((resolve) => {
        void peers.push(() => resolve(true)).then(() => resolve(false))
      })
    }
    let isInRedis = false
    const byRedis = toRedis(withdrawal, expiresAt).then((done) => (isInRedis = done))
    let isKept = await firstOf([byRedis, byPeers], limitMs)
    // Also where a peer has it: both processes may end before Redis is back.
    if (!isInRedis) {
      isKept = (await spooled({ ...withdrawal, expiresAt }, deps.spoolDeadlineMs)) || isKept
      // The log may have got it meanwhile: nobody would let it go any more.
      if (floors.isLogged(withdrawal.id)) spool?.release(withdrawal.id)
    }
    return isKept
  }

  return {
    withdraw,
    async writeBack() {
      const missing = floors.unlogged(perWriteBack)
      try {
        for (let from = 0; from < missing.length; from += perAppend) {
          const some = missing.slice(from, from + perAppend)
          await log.append(some)
          await Promise.all(some.map((withdrawal) => mark(withdrawal, withdrawal.expiresAt)))
        }
      } catch (error) {
        if (isRefusal(error)) deps.onRefusal(error)
        throw error
      }
      // Those whose time was over needed nothing but being forgotten.
      if (missing.length === 0) return
      logger.info(
        { event: 'withdrawals_written_back', count: missing.length },
        'the log lacked withdrawals that are known here',
      )
    },
    async handOver(isInStep) {
      // Also without anything to tell: nobody has to wait for this replica any more.
      const told = (await peers?.leave()) ?? 0
      const left = isInStep ? floors.unlogged(Number.MAX_SAFE_INTEGER) : floors.all()
      if (left.length === 0) return true
      const isSpooled = (await Promise.all(left.map((one) => spooled(one, handOverMs)))).every(Boolean)
      return isSpooled || told > 0 || (spool === undefined && floors.unloggedCount === 0)
    },
  }
}
