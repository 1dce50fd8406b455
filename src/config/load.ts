// Config room: what the operator wrote (one YAML file, the environment, secrets in files) becomes one checked, frozen Config,
// or a list of everything that is wrong with it. It owns names, units, defaults and the words of every complaint. It opens no
// connection, and knows nothing of how an option is used: what their compilers find is handed in (src/load-config.ts), and whatever can
// only be seen when connecting is the rooms' business.
// The way: document.ts (yaml-file.ts: YAML with lines; pasted.ts: the block in what was pasted; spelling.ts; interpolate.ts: `${VAR}`)
// -> environment.ts (fallback) -> references.ts (mounted texts) -> schema.ts (each option by itself) -> server.ts, provider.ts, session.ts, access.ts, bearer.ts, redis.ts, outage.ts, peers.ts, admin.ts (options together) -> Config.
import { ConfigInvalid } from '../errors.ts'
import { accessConfig, rateLimitsConfig } from './access.ts'
import { adminConfig } from './admin.ts'
import { bearerConfig } from './bearer.ts'
import type { Checks } from './checks.ts'
import type { Config } from './config.ts'
import { readDocument } from './document.ts'
import { environmentName, remove, valueAt, withEnvironment } from './environment.ts'
import { foreignVariables } from './foreign-environment.ts'
import { deepFreeze } from './freeze.ts'
import type { Environment } from './interpolate.ts'
import { infoOf } from './option.ts'
import { outageConfig } from './outage.ts'
import { peersConfig } from './peers.ts'
import { looksLikePlugin, warnOfOtherMeanings } from './plugin-meaning.ts'
import { createFindings } from './problems.ts'
import type { Finding, Path } from './problems.ts'
import { withPreset } from './presets.ts'
import { providerEntries, withinProvider } from './providers.ts'
import { redisConfig } from './redis.ts'
import { allOptions, optionShape, settingsSchema } from './schema.ts'
import type { Settings } from './schema.ts'
import { schemaProblems } from './schema-problems.ts'
import { openShorthands } from './shorthands.ts'
import { resolveReferences } from './references.ts'
import { failureCode } from './secrets.ts'
import type { ReadFile } from './secrets.ts'
import { forwardAuthConfig, identityTokenConfig, pagesConfig, pathsConfig, serverConfig } from './server.ts'
import { upstreamsConfig } from './upstreams.ts'
import { cookieConfig, sessionConfig } from './session.ts'
import { signalsConfig } from './signals.ts'

export interface ConfigSource {
  /** Name of the file: read unless `text` is given, and named in every problem. Absent: the environment alone. */
  readonly file?: string | undefined
  readonly text?: string | undefined
  readonly env: Environment
  /** UTF-8 text of a file: the configuration itself, certificates, secrets. Throws when it cannot be read. */
  readonly readFile: ReadFile
}

export interface LoadedConfig {
  readonly config: Config
  /** One line each, like problems; the service starts all the same. */
  readonly warnings: readonly string[]
}

/** What a compiler in a room above could not work with. */
type FindingsOf = (config: Config) => readonly Finding[]

/**
 * Throws ConfigInvalid with every problem at once, those of the compilers among them, and nothing else. No problem or warning shows
 * a value.
 */
export function readConfig(source: ConfigSource, compilers: readonly FindingsOf[]): LoadedConfig {
  const hasFile = source.file !== undefined || source.text !== undefined
  const fileName = source.file ?? 'config'
  const isSecret = (path: Path): boolean => secretPaths.has(JSON.stringify(optionAt(withinProvider(path) ?? path)))
  const document = readDocument(fileContent(source), {
    env: source.env,
    fileVariable: (path) =>
      isSecret(path) && withinProvider(path) === undefined
        ? `${environmentName(optionAt(path).filter((part) => typeof part === 'string'))}_FILE`
        : undefined,
  })
  const file = openShorthands(document.tree, source.env)
  const { tree: found, origins, problems: environmentProblems } = withEnvironment(file.tree, allOptions, source.env)
  const { tree, problems: referenceProblems } = resolveReferences(found, {
    isSecret,
    secretsDir: secretsDirOf(found),
    readFile: source.readFile,
  })

  const broken: Path[] = []
  const isBroken = (path: Path): boolean => broken.some((start) => start.every((part, index) => part === path[index]))
  const locate = (path: Path): string => {
    const variable = variableAt(path, new Map([...origins, ...file.origins]))
    if (variable !== undefined) return `environment:${variable}`
    if (hasFile) return `${fileName}:${document.lineOf(path)}`
    return path.length === 0
      ? 'environment'
      : `environment:${environmentName(path.filter((part) => typeof part === 'string'))}`
  }
  const findings = createFindings(locate, isBroken)

  const lines = document.problems.map(({ path, line, message, meant }) => {
    const own = createFindings(() => `${fileName}:${line}`)
    own.refuse([path], message)
    if (path.length > 0) broken.push(namedPart(path))
    if (meant !== undefined) broken.push(meant)
    return own.problems[0] ?? message
  })
  // Broken YAML hides what the rest of the file says: anything more would be guesses.
  if (!document.isReadable) throw new ConfigInvalid(inOrder(lines, fileName))

  const given = structuredClone(tree)
  const isGiven = (path: Path): boolean => valueAt(given, path) !== undefined || isBroken(path)
  for (const { path, message } of environmentProblems) findings.refuse(path, message)
  for (const { path, message } of referenceProblems) {
    findings.refuse([path], message)
    broken.push(namedPart(path))
  }
  const first = settingsSchema.safeParse(tree)
  const wrong = first.success ? [] : schemaProblems(first.error.issues)
  for (const { path, message } of wrong) findings.refuse([path], message)
  // A misspelt option is not missing as well: what was probably meant counts as wrong, too.
  for (const { path, meant } of wrong) broken.push(namedPart(path), ...(meant === undefined ? [] : [namedPart(meant)]))
  // Without what is wrong by itself, the rest can still be checked together: all problems in one go.
  const second = first.success ? first : parseWithout(tree, broken)
  if (!second.success) throw new ConfigInvalid(inOrder([...lines, ...findings.problems], fileName))

  const settings = second.data
  const { refuse, warn } = findings
  const notes = document.notes.map(({ line, message }) => `${fileName}:${line}: ${message}`)
  const isFromEnvironment = (path: Path): boolean => origins.has(JSON.stringify(path))
  const checks: Checks = {
    settings: withPreset(settings, (option) => isGiven([option])),
    isGiven,
    isFromEnvironment,
    refuse,
    warn,
    readFile: source.readFile,
  }
  for (const { path, info } of allOptions) {
    if (info.ignored !== undefined && isGiven(path)) warn(path, `does nothing here: ${info.ignored}`)
  }
  const config = configOf(checks)
  for (const findingsOf of compilers) {
    for (const { path, message } of findingsOf(config)) refuse(asWritten(settings, path), message)
  }
  if (document.isPluginBlock || file.isShort || looksLikePlugin(checks)) warnOfOtherMeanings(checks, file)
  const foreign = foreignVariables(source.env, isGiven).map((variable) => ({
    ...variable,
    line: `environment:${variable.name}: ${variable.message}`,
  }))
  const closed = foreign.filter(({ isUnsaid, narrows }) => isUnsaid && narrows).map(({ line }) => line)
  const problems = inOrder([...lines, ...findings.problems, ...closed], fileName)
  if (problems.length > 0) {
    const helpful = foreign.filter(({ isUnsaid }) => isUnsaid).map(({ line }) => line)
    throw new ConfigInvalid(inOrder([...problems, ...helpful], fileName))
  }
  return {
    config: deepFreeze(config),
    warnings: inOrder([...notes, ...findings.warnings, ...foreign.map(({ line }) => line)], fileName),
  }
}

/** A header's template may stand under the plugin's word for it. */
function asWritten({ headers }: Settings, path: Path): Path {
  const [group, index, part] = path
  const isPluginsWord = group === 'headers' && part === 'template' && headers[Number(index)]?.value !== undefined
  return isPluginsWord ? path.with(2, 'value') : path
}

/** The variable that gave this option, or the one that it is a part of. */
function variableAt(path: Path, origins: ReadonlyMap<string, string>): string | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const variable = origins.get(JSON.stringify(path.slice(0, length)))
    if (variable !== undefined) return variable
  }
  return undefined
}

/** Each slice looks at its options together, and notes what does not go together. */
function configOf(checks: Checks): Config {
  const { settings } = checks
  const paths = pathsConfig(checks)
  const providers = providerEntries(checks, paths)
  return {
    server: serverConfig(checks),
    provider: providers[0].client,
    providers,
    paths,
    signals: signalsConfig(checks),
    session: sessionConfig(checks),
    cookies: cookieConfig(checks),
    access: accessConfig(checks),
    rateLimits: rateLimitsConfig(settings),
    cors: settings.cors,
    tokens: { disableReplayDetection: settings.disableReplayDetection },
    bearer: bearerConfig(checks, providers),
    forwardAuth: forwardAuthConfig(checks),
    upstreams: upstreamsConfig(checks),
    identityToken: identityTokenConfig(checks),
    outage: outageConfig(checks),
    memory: { maxBytes: settings.memory.maxMB * 1_048_576 },
    redis: redisConfig(checks),
    peers: peersConfig(checks),
    admin: adminConfig(checks),
    pages: pagesConfig(checks),
  }
}

function fileContent({ file, text, readFile }: ConfigSource): string {
  if (text !== undefined) return text
  if (file === undefined) return ''
  try {
    return readFile(file)
  } catch (error) {
    throw new ConfigInvalid([`${file}: cannot be read (${failureCode(error)}); check the path given with --config`])
  }
}

/** Without the broken parts; where an item cannot do without its own (a header's name), without the whole option. */
function parseWithout(tree: Record<string, unknown>, broken: Path[]) {
  for (const path of broken) remove(tree, path)
  const rest = settingsSchema.safeParse(tree)
  if (rest.success) return rest
  const options = rest.error.issues.map(({ path }) =>
    optionAt(path.map((part) => (typeof part === 'symbol' ? '' : part))),
  )
  for (const path of options) remove(tree, path)
  broken.push(...options)
  return settingsSchema.safeParse(tree)
}

/** Up to the last name: `rules[0].methods[1]` -> `rules[0].methods`. Taking an item out would renumber the others. */
function namedPart(path: Path): Path {
  return path.slice(0, path.findLastIndex((part) => typeof part === 'string') + 1)
}

const secretPaths = new Set(
  allOptions.filter(({ info }) => info.secret === true).map(({ path }) => JSON.stringify(path)),
)

/** Needed before the options are read: as it is written, or its default. */
function secretsDirOf(tree: Record<string, unknown>): string {
  const written = valueAt(tree, ['secretsDir'])
  return typeof written === 'string' ? written.trim() : String(infoOf(optionShape.secretsDir).default)
}

const optionPaths = new Set(allOptions.map(({ path }) => JSON.stringify(path)))

/** The option that a deeper path belongs to (`rules[0].host` -> `rules`), else the path itself. */
function optionAt(path: Path): Path {
  for (let length = 1; length <= path.length; length += 1) {
    const start = path.slice(0, length)
    if (optionPaths.has(JSON.stringify(start))) return start
  }
  return path
}

/** Each once, in the order of the file's lines; what is not in the file comes last. */
function inOrder(lines: readonly string[], fileName: string): string[] {
  const lineNumber = (line: string): number => {
    const start = `${fileName}:`
    return line.startsWith(start) ? Number.parseInt(line.slice(start.length), 10) : Infinity
  }
  const numbered = [...new Set(lines)].map((line) => ({ line, number: lineNumber(line) }))
  return numbered.toSorted((a, b) => (a.number === b.number ? 0 : a.number - b.number)).map(({ line }) => line)
}
