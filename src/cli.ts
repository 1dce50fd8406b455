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
import { sourceNames, type SourceName } from './migrate/source-names.ts'

export type Command =
  | { readonly kind: 'serve'; readonly file: string | undefined }
  | { readonly kind: 'check'; readonly file: string | undefined; readonly connect: boolean }
  | MigrateCommand
  | SessionsCommand
  | { readonly kind: 'version' }
  | { readonly kind: 'help'; readonly text: string }
  /** Exit code 2. */
  | { readonly kind: 'usage-error'; readonly message: string }

export interface MigrateCommand {
  readonly kind: 'migrate'
  readonly source: SourceName
  /** `-` is standard input. */
  readonly files: readonly string[]
  readonly report: 'text' | 'json'
  readonly keepSecrets: boolean
}

const HELP = `Usage:
  foregate [--config FILE]                   run the service
  foregate check [--config FILE] [--connect] check the configuration; with --connect also Redis and the provider
  foregate migrate SOURCE FILE...            print a configuration made from another program's files
  foregate sessions list|show|revoke         who is signed in, and ending that: foregate sessions --help
  foregate --version
  foregate --help

Options:
  -c, --config FILE  YAML file; config.example.yaml documents every option. What it leaves out is taken from the
                     environment (redis.keyPrefix from REDIS_KEY_PREFIX), and without it everything is.

Moving in:
  SOURCE             ${sourceNames.join(', ')}
  FILE               whole files as they are: manifests, Compose files, labels, flags, variables; - is standard input
  --report FORM      what became of each option, on standard error: text (the default) or json
  --keep-secrets     leave the secrets of the files in the configuration; else each becomes a variable to be set

Exit codes: 0 fine, 2 bad configuration or usage, 1 anything else (migrate: something is left to decide).
`

const OPTIONS = {
  config: { type: 'string', short: 'c', multiple: true },
  connect: { type: 'boolean' },
  report: { type: 'string', multiple: true },
  'keep-secrets': { type: 'boolean' },
  ...sessionsOptions,
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
} as const

const commands: readonly string[] = ['check', 'migrate', 'sessions']
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
      const what = token.name === 'report' ? 'text or json' : fileOptions.has(token.name) ? 'a file name' : 'a value'
      return usageError(`${token.rawName} needs ${what}`)
    }
    if (!needsValue && token.value !== undefined) return usageError(`${token.rawName} takes no value`)
  }
  const [command, ...rest] = positionals
  if (values.help === true) return { kind: 'help', text: command === 'sessions' ? sessionsHelp : HELP }
  if (values.version === true) return { kind: 'version' }
  if (command === 'migrate') return migrateCommand(rest, values)
  if (values.report !== undefined || values['keep-secrets'] !== undefined)
    return usageError('--report and --keep-secrets belong to the command migrate')
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

function migrateCommand([name, ...files]: readonly string[], values: Readonly<Record<string, unknown>>): Command {
  const list = sourceNames.join(', ')
  if (name === undefined) return usageError(`migrate needs a source (${list}) and a file`)
  const source = sourceNames.find((one) => one === name)
  if (source === undefined)
    return usageError(`unknown source ${printable(name)} (there are ${list})`, name, sourceNames)
  for (const other of ['config', 'connect'])
    if (values[other] !== undefined) return usageError(`--${other} does not belong to the command migrate`)
  if (files.length === 0) return usageError('migrate needs a file; - is standard input')
  if (files.filter((file) => file === '-').length > 1) return usageError('standard input (-) is given twice')
  const [report = 'text', ...more] = Array.isArray(values['report']) ? values['report'] : []
  if ((report !== 'text' && report !== 'json') || more.length > 0) return usageError('--report is text or json')
  return { kind: 'migrate', source, files, report, keepSecrets: values['keep-secrets'] === true }
}

function usageError(problem: string, name = '', known: readonly string[] = [], before = ''): Command {
  const near = nearest(name, known)
  const hint = near === undefined ? '; see foregate --help' : `; did you mean ${before}${near}?`
  return { kind: 'usage-error', message: `${problem}${hint}` }
}

function printable(argument: string): string {
  return JSON.stringify(argument.slice(0, 80))
}
