// The command line, read but not acted on: process.ts owns the process, its files, its output and its exit codes.
import { parseArgs } from 'node:util'
import {
  readSessionsCommand,
  sessionsHelp,
  sessionsOptions,
  sessionsVerbs,
  type SessionsCommand,
} from './admin/command-line.ts'
import { nearest } from './config/suggest.ts'

export type Command =
  | { readonly kind: 'serve'; readonly file: string | undefined }
  | { readonly kind: 'check'; readonly file: string | undefined; readonly connect: boolean }
  | SessionsCommand
  | { readonly kind: 'version' }
  | { readonly kind: 'help'; readonly text: string }
  /** Exit code 2. */
  | { readonly kind: 'usage-error'; readonly message: string }

const HELP = `Usage:
  foregate [--config FILE]                   run the service
  foregate check [--config FILE] [--connect] check the configuration; with --connect also Redis and the provider
  foregate sessions list|show|revoke         who is signed in, and ending that: foregate sessions --help
  foregate --version
  foregate --help

Options:
  -c, --config FILE  YAML file; config.example.yaml documents every option. What it leaves out is taken from the
                     environment (redis.keyPrefix from REDIS_KEY_PREFIX), and without it everything is.

Exit codes: 0 fine, 2 bad configuration or usage, 1 anything else.
`

const OPTIONS = {
  config: { type: 'string', short: 'c', multiple: true },
  connect: { type: 'boolean' },
  ...sessionsOptions,
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
} as const

const commands: readonly string[] = ['check', 'sessions']
const fileOptions: ReadonlySet<string> = new Set(['config', 'cert', 'key'])

/** `argv`: without the interpreter and the script. Never throws. */
export function parseArguments(argv: readonly string[]): Command {
  // Not `strict`: its messages have no suggestion. Every token is checked here instead.
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!Object.hasOwn(OPTIONS, token.name))
      return usageError(`unknown option ${token.rawName}`, token.name, Object.keys(OPTIONS), '--')
    const needsValue = OPTIONS[token.name as keyof typeof OPTIONS].type === 'string'
    if (
      needsValue &&
      (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('-')))
    ) {
      return usageError(`${token.rawName} needs ${fileOptions.has(token.name) ? 'a file name' : 'a value'}`)
    }
    if (!needsValue && token.value !== undefined) return usageError(`${token.rawName} takes no value`)
  }
  const [command, ...rest] = positionals
  if (values.help === true) return { kind: 'help', text: command === 'sessions' ? sessionsHelp : HELP }
  if (values.version === true) return { kind: 'version' }
  if (command !== undefined && !commands.includes(command))
    return usageError(`unknown command ${printable(command)}`, command, commands)
  const files = (values.config ?? []).filter((file) => typeof file === 'string')
  if (files.length > 1) return usageError('--config is given twice; there is one configuration file')
  const file = files[0]
  const connect = values.connect === true
  if (command === 'sessions') {
    if (connect) return usageError('--connect belongs to the command check')
    const read = readSessionsCommand(rest, values, file)
    return 'problem' in read ? usageError(read.problem, read.name, sessionsVerbs) : read
  }
  const foreign = Object.keys(sessionsOptions).find((name) => Object.hasOwn(values, name))
  if (foreign !== undefined) return usageError(`--${foreign} belongs to the command sessions`)
  if (rest[0] !== undefined) return usageError(`unexpected argument ${printable(rest[0])}`)
  if (command === 'check') return { kind: 'check', file, connect }
  return connect ? usageError('--connect belongs to the command check') : { kind: 'serve', file }
}

function usageError(problem: string, name = '', known: readonly string[] = [], before = ''): Command {
  const near = nearest(name, known)
  const hint = near === undefined ? '; see foregate --help' : `; did you mean ${before}${near}?`
  return { kind: 'usage-error', message: `${problem}${hint}` }
}

function printable(argument: string): string {
  return JSON.stringify(argument.slice(0, 80))
}
