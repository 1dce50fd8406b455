// Files of other lives in the spool's directory: what they hold is told once, and a file goes when the log has all of it. The
// other life may still run, and several processes may tidy at once: so a file is first put out of everybody's way under a name
// of its own, and read again; only what holds nothing new is deleted. Whoever still writes to it notices (spool-own-file.ts).
import { constants } from 'node:fs'
import { open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runtime } from '../runtime.ts'
import type { Withdrawal } from '../store/withdrawal-log.ts'
import type { Spooled } from './spool.ts'
import { maxLineLength, type SpoolLines } from './spool-line.ts'
import { isMissing } from './spool-directory.ts'

export interface Leftovers {
  /** Of each session the highest floor that has not expired. Never rejects: what cannot be read is told. */
  load(): Promise<readonly Spooled[]>
  /** Whether a file of another life has it, for certain and still. */
  has(withdrawal: Withdrawal): Promise<boolean>
  release(id: string): void
  /** Resolves when nothing is under way. */
  settled(): Promise<void>
}

interface Content {
  readonly entries: ReadonlyMap<string, Spooled>
  readonly damagedLines: number
  readonly modifiedAt: number
  readonly inode: number
  /** It would survive a crash of the machine, too. */
  readonly isDurable: boolean
}

interface Leftover extends Content {
  /** What the log is not known to have. */
  readonly open: Set<string>
}

/** A file that is still written to is left alone. */
const quietMs = 60_000

export function createLeftovers(parts: {
  directory: string
  /** What names of all files of this deployment begin with. */
  prefix: string
  origin: string
  ownName: string
  decode: SpoolLines['decode']
  maxAgeMs: number
  runtime: Pick<Runtime, 'clock' | 'logger'>
}): Leftovers {
  const { directory, prefix, origin, ownName, decode, maxAgeMs, runtime } = parts
  const { clock, logger } = runtime
  const files = new Map<string, Leftover>()
  const filesOf = new Map<string, string[]>()
  const underWay = new Set<Promise<void>>()
  let takenCount = 0

  async function load(): Promise<readonly Spooled[]> {
    const highest = new Map<string, Spooled>()
    const faults = { lines: 0, files: 0 }
    for (const name of await names()) {
      const content = await read(join(directory, name)).catch((error: unknown) => {
        if (!isMissing(error)) faults.files++
        return undefined
      })
      if (content === undefined) continue
      faults.lines += content.damagedLines
      for (const spooled of content.entries.values()) {
        if ((highest.get(spooled.id)?.floor ?? 0) < spooled.floor) highest.set(spooled.id, spooled)
      }
      await consider(name, content)
    }
    if (faults.lines + faults.files > 0) {
      logger.warn(
        { event: 'spool_damaged', reason: 'unreadable', directory, ...faults },
        'parts of the spool cannot be read, or nobody with our keys wrote them; they are skipped',
      )
    }
    return [...highest.values()]
  }

  async function names(): Promise<string[]> {
    try {
      const all = (await readdir(directory)).filter((name) => name.startsWith(prefix) && name !== ownName)
      // Half of a file that its owner was about to write anew.
      for (const name of all) if (name.endsWith('.jsonl.new')) await deleteIfOld(name)
      return all.filter((name) => name.endsWith('.jsonl')).sort()
    } catch (error) {
      if (!isMissing(error)) {
        logger.error({ event: 'spool_failed', reason: 'not_read', directory, err: error }, 'the spool cannot be read')
      }
      return []
    }
  }

  async function consider(name: string, content: Content): Promise<void> {
    const quietForMs = clock() - content.modifiedAt
    if (content.entries.size > 0) {
      files.set(name, { ...content, open: new Set(content.entries.keys()) })
      for (const id of content.entries.keys()) filesOf.set(id, [...(filesOf.get(id) ?? []), name])
    } else if (content.damagedLines === 0 && quietForMs > quietMs) {
      await takeAway(name, new Map())
    } else {
      await deleteIfOld(name)
    }
  }

  /** Whatever it said: no session is as old as that. */
  async function deleteIfOld(name: string): Promise<void> {
    const path = join(directory, name)
    try {
      const { mtimeMs } = await stat(path)
      if (clock() - mtimeMs > maxAgeMs) await unlink(path)
    } catch {
      // Somebody else has, or may do it.
    }
  }

  /** `known`: the log has these. */
  async function takeAway(name: string, known: ReadonlyMap<string, Withdrawal>): Promise<void> {
    const [life] = name.slice(0, -'.jsonl'.length).split('~')
    const taken = join(directory, `${life}~${origin}-${++takenCount}.jsonl`)
    try {
      await rename(join(directory, name), taken)
      const { entries, damagedLines } = await read(taken)
      const isKnown = ({ id, floor }: Withdrawal) => (known.get(id)?.floor ?? 0) >= floor
      // Else it stays, for whoever starts next.
      if (damagedLines === 0 && [...entries.values()].every(isKnown)) await unlink(taken)
    } catch (error) {
      // Somebody else tidied, too.
      if (isMissing(error)) return
      logger.warn({ event: 'spool_failed', reason: 'not_tidied', directory, err: error }, 'the spool cannot be tidied')
    }
  }

  async function read(path: string): Promise<Content> {
    // Neither a link to elsewhere nor a pipe that nobody writes to.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new Error('not a file')
      const isDurable = await file.datasync().then(
        () => true,
        () => false,
      )
      const entries = new Map<string, Spooled>()
      let damagedLines = 0
      const now = clock()
      for await (const line of linesOf(file.createReadStream({ encoding: 'latin1', autoClose: false }))) {
        const spooled = decode(line)
        if (spooled === undefined) damagedLines++
        else if (spooled.expiresAt > now && (entries.get(spooled.id)?.floor ?? 0) < spooled.floor) {
          entries.set(spooled.id, spooled)
        }
      }
      return { entries, damagedLines, modifiedAt: found.mtimeMs, inode: found.ino, isDurable }
    } finally {
      await file.close()
    }
  }

  return {
    load,
    async has({ id, floor }) {
      for (const name of filesOf.get(id) ?? []) {
        const file = files.get(name)
        if (file === undefined || !file.isDurable || (file.entries.get(id)?.floor ?? 0) < floor) continue
        const inode = await stat(join(directory, name)).then(
          ({ ino }) => ino,
          () => undefined,
        )
        if (inode === file.inode) return true
      }
      return false
    },
    release(id) {
      const names = filesOf.get(id)
      if (names === undefined) return
      filesOf.delete(id)
      for (const name of names) {
        const file = files.get(name)
        if (file === undefined) continue
        file.open.delete(id)
        if (file.open.size > 0) continue
        files.delete(name)
        if (file.damagedLines > 0) continue
        const task = takeAway(name, file.entries).finally(() => underWay.delete(task))
        underWay.add(task)
      }
    },
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** Empty lines are left out; of a line without an end only as much is kept as tells it from one of ours. */
async function* linesOf(chunks: AsyncIterable<unknown>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + String(chunk)).split('\n')
    rest = (lines.pop() ?? '').slice(0, maxLineLength + 1)
    for (const line of lines) if (line !== '') yield line
  }
  if (rest !== '') yield rest
}
