// The spool's directory: made where it is missing, tried at the start, and what it names flushed.
import { constants } from 'node:fs'
import { mkdir, open, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** For the owner only, and never through a link that somebody has put there. */
export function create(path: string): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
}

/** Level by level: node's own `recursive` never comes back where a parent that is there takes no directories (/proc). */
export async function makeDirectory(directory: string): Promise<void> {
  if (await isDirectory(directory)) return
  const parent = dirname(directory)
  await makeDirectory(parent)
  await mkdir(directory, { mode: 0o700 }).catch(async (error: unknown) => {
    // Another replica was faster.
    if (!(await isDirectory(directory))) throw error
  })
  await syncDirectory(parent)
}

/** False where nothing is there; throws where it cannot be said, and for what is no directory. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    const found = await stat(path)
    if (!found.isDirectory()) throw Object.assign(new Error(`${path} is no directory`), { code: 'ENOTDIR' })
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Makes names in it last: without that, a file that was flushed may still be lost with its name. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Does all that keeping does, with a file of `name` that goes again. Replicas that share the directory may do it at once. */
export async function probeDirectory(directory: string, name: string): Promise<void> {
  const path = join(directory, name)
  await makeDirectory(directory)
  const file = await create(path)
  try {
    await file.appendFile('probe\n')
    await file.datasync()
    await syncDirectory(directory)
  } finally {
    await file.close()
    await unlink(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'
