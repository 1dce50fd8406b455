import type { Withdrawal } from '../store/withdrawal-log.ts'

/** A withdrawal as it lies in the spool. */
export interface Spooled extends Withdrawal {
  /** ms since the epoch: after this it is of no use. */
  readonly expiresAt: number
}

/** Where withdrawals that nobody else has outlive this process (`outage.spoolDir`). */
export interface Spool {
  /** Its directory, for the log. */
  readonly place: string
  /** Resolves where something can be kept: it was tried. Rejects with the system's error. */
  probe(): Promise<void>
  /** What earlier processes left. Damaged lines are skipped and told. */
  load(): Promise<readonly Spooled[]>
  /** Resolves once it would survive the end of this process and of the machine; rejects where it could not be written. */
  keep(withdrawal: Spooled): Promise<void>
  /** The log has it: it need not be kept any more. Never throws. */
  release(id: string): void
  close(): Promise<void>
}
