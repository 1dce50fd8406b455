// The spool in a directory (`outage.spoolDir`): one file for each life of a process, so that nobody writes into another's. Several
// replicas, and those that follow them, may share the directory.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Runtime } from '../runtime.ts'
import type { Spool } from './spool.ts'
import { createLeftovers } from './spool-leftovers.ts'
import { createSpoolLines } from './spool-line.ts'
import { probeDirectory } from './spool-directory.ts'
import { createOwnFile } from './spool-own-file.ts'

export interface SpoolFileParts {
  /** Absolute; made where it is missing. */
  readonly directory: string
  /** The first signs, all are accepted (rotation). */
  readonly keys: readonly Buffer[]
  /** Names the deployment: another one's files in the same directory are not touched. */
  readonly scope: string
  /** This life of this process. */
  readonly origin: string
  /** No session lives longer: what is older is of no use. */
  readonly maxAgeMs: number
  readonly runtime: Pick<Runtime, 'clock' | 'logger'>
}

export function createSpoolFile(parts: SpoolFileParts): Spool {
  const { directory, keys, scope, origin, maxAgeMs, runtime } = parts
  const lines = createSpoolLines(keys, scope)
  const prefix = `withdrawals-${createHash('sha256').update(scope).digest('hex').slice(0, 12)}-`
  const ownName = `${prefix}${origin}.jsonl`
  const leftovers = createLeftovers({ directory, prefix, origin, ownName, decode: lines.decode, maxAgeMs, runtime })
  const own = createOwnFile({
    path: join(directory, ownName),
    encode: lines.encode,
    isElsewhere: leftovers.has,
    runtime,
  })

  return {
    place: directory,
    probe: () => probeDirectory(directory, `${prefix}probe`),
    load: leftovers.load,
    keep: own.keep,
    release(id) {
      leftovers.release(id)
      own.release(id)
    },
    async close() {
      await Promise.all([own.close(), leftovers.settled()])
    },
  }
}
