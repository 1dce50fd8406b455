import { ConfigInvalid } from '../../src/errors.ts'
import { loadConfig } from '../../src/load-config.ts'
import type { LoadedConfig } from '../../src/config/load.ts'

export const KEY = 'qW7xT2nLr9Zk4VbY8mPc1HdJ6sGf3AeU'
export const SECRET = 'bK3-very-secret-client-credential'

/** The least that a configuration must have. */
export const REQUIRED = {
  PROVIDER_URL: 'https://id.example.com',
  CLIENT_ID: 'app',
  CLIENT_SECRET: SECRET,
  SESSION_ENCRYPTION_KEY: KEY,
}

export interface Given {
  text?: string
  env?: Record<string, string | undefined>
  files?: Record<string, string>
}

/** Loads with the required options in the environment, `text` as the file `c.yaml`, and `files` as the disk. */
export function load({ text, env = {}, files = {} }: Given): LoadedConfig {
  return loadConfig({
    ...(text === undefined ? {} : { file: 'c.yaml', text }),
    env: { ...REQUIRED, ...env },
    readFile: (path) => {
      const content = files[path]
      if (content === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
      return content
    },
  })
}

/** The problems of a configuration; none when it loads. Any other error is thrown on. */
export function problemsOf(given: Given): readonly string[] {
  try {
    load(given)
    return []
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.problems
    throw error
  }
}
