// The `outage` group: what stands in while Redis is away, and where it is kept.
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import type { OutageConfig } from './config.ts'
import { isShared } from './checks.ts'
import type { Checks } from './checks.ts'
import { failureCode } from './secrets.ts'

const spoolPath = ['outage', 'spoolDir']

export function outageConfig(checks: Checks): OutageConfig {
  const { outage } = checks.settings
  return {
    maxStaleMs: outage.maxStale,
    pass: outage.pass,
    passMaxAgeMs: outage.passMaxAge,
    journalSize: outage.journalSize,
    storeDeadlineMs: outage.storeDeadline,
    replay: outage.replay,
    spoolDir: spoolDir(checks),
  }
}

function spoolDir(checks: Checks): string | undefined {
  const { settings, refuse, warn } = checks
  const written = settings.outage.spoolDir
  if (written === undefined) return undefined
  const problem = isAbsolute(written) ? directoryProblem(resolve(written)) : 'must be an absolute path'
  if (problem !== undefined) refuse(spoolPath, problem)
  if (!isShared(checks)) warn(spoolPath, 'has no effect without Redis: in memory mode sessions end with the process')
  return resolve(written)
}

/** What would keep files from being written there; nothing is created by asking. */
function directoryProblem(path: string): string | undefined {
  try {
    if (!statSync(path).isDirectory()) return 'is no directory; name one of its own, such as /var/lib/foregate'
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    const code = failureCode(error)
    if (code !== 'ENOENT') return `cannot be used (${code}); make it a directory that this process may read and write`
    return parentProblem(dirname(path))
  }
}

/** Of a directory to be made below `parent`, or below what has to be made there first. */
function parentProblem(parent: string): string | undefined {
  const how = 'make the directory, and let this process read and write it'
  try {
    if (!statSync(parent).isDirectory()) return `does not exist, nor can it be made (ENOTDIR); ${how}`
    accessSync(parent, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    const code = failureCode(error)
    if (code === 'ENOENT' && parent !== dirname(parent)) return parentProblem(dirname(parent))
    return `does not exist, nor can it be made (${code}); ${how}`
  }
}
