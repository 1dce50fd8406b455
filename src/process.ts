// The process: its arguments, files, environment, output, signals and exit codes. Nothing else touches them.
import { readFileSync } from 'node:fs'
import type { SessionsCommand } from './admin/command-line.ts'
import { runSessionsCommand } from './admin/sessions-command.ts'
import { createApp, type App } from './app.ts'
import { checkConnections } from './check.ts'
import { parseArguments, type MigrateCommand } from './cli.ts'
import type { Config } from './config/config.ts'
import type { LoadedConfig } from './config/load.ts'
import { ConfigInvalid } from './errors.ts'
import { loadConfig } from './load-config.ts'
import { createPlatform } from './runtime.ts'
import { createLogger } from './telemetry/pino.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createMetrics } from './telemetry/prometheus.ts'
import { seconds } from './time.ts'

/** For what follows `shutdownTimeout`: the journal, withdrawals, closing. */
const flushTimeoutMs = seconds(3)

const exitCode = { fine: 0, failed: 1, badConfig: 2 }

const packageVersion = (): string => {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  // Our own package.json: it has a version.
  return (JSON.parse(text) as { version: string }).version
}

/** Carries out the command line. The exit code, or undefined while the service runs: then a signal ends the process. */
export async function run(): Promise<number | undefined> {
  process.on('uncaughtException', (error) => {
    process.stderr.write(`foregate: ${error.stack ?? error.message}\n`)
    process.exit(exitCode.failed)
  })

  const command = parseArguments(process.argv.slice(2))
  switch (command.kind) {
    case 'help':
      process.stdout.write(command.text)
      return exitCode.fine
    case 'version':
      process.stdout.write(`foregate ${packageVersion()}\n`)
      return exitCode.fine
    case 'usage-error':
      process.stderr.write(`foregate: ${command.message}\n`)
      return exitCode.badConfig
    case 'migrate':
      return migrateFiles(command)
    case 'check':
    case 'sessions':
    case 'serve':
      break
  }
  let loaded: LoadedConfig | undefined
  configHolds(undefined, () => {
    loaded = loadConfig({
      ...(command.file !== undefined && { file: command.file }),
      env: process.env,
      readFile: (path) => readFileSync(path, 'utf8'),
    })
  })
  if (loaded === undefined) return exitCode.badConfig
  const { config, warnings } = loaded
  if (command.kind === 'sessions') return askForSessions(command, config)

  // What a check finds it says itself, in words: the same again as log lines would only hide it.
  const isTold = command.kind === 'check' && config.server.logLevel !== 'debug'
  const logger = createLogger({ level: isTold ? 'error' : config.server.logLevel })
  const runtime = { ...createPlatform(), logger }
  if (command.kind === 'check') {
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
    if (!command.connect) {
      process.stdout.write('the configuration is fine\n')
      return exitCode.fine
    }
    const report = await checkConnections(config, {
      ...runtime,
      metrics: createMetrics({ processMetrics: false }),
    })
    for (const line of report.lines) process.stdout.write(`${line}\n`)
    return report.ok ? exitCode.fine : exitCode.failed
  }

  const version = packageVersion()
  logger.info({ event: 'starting', version, config: command.file ?? 'environment' }, `foregate ${version} starts`)
  for (const warning of warnings) logger.warn({ event: 'config_warning' }, warning)
  let app: App | undefined
  const holds = configHolds(command.file, () => {
    app = createApp(config, { ...runtime, metrics: serviceMetrics(version) })
  })
  if (!holds || app === undefined) return exitCode.badConfig
  const running = app

  let isStopping = false
  const exit = () => {
    logger.flush()
    process.exit(exitCode.fine)
  }
  const stop = () => {
    // A second signal (npm passes its own on) changes nothing; whoever must not wait has SIGKILL.
    if (isStopping) return
    isStopping = true
    const { drainDelayMs, shutdownTimeoutMs } = config.server
    // Keeps the process alive for what is awaited without a connection of its own, and ends it should the flush hang.
    setTimeout(
      () => {
        logger.warn(
          { event: 'stop_forced', reason: 'flush_timeout' },
          'stopped before what the store missed was handed over',
        )
        exit()
      },
      drainDelayMs + shutdownTimeoutMs + flushTimeoutMs,
    )
    void running.stop().then(exit)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    await running.start()
  } catch (error) {
    // A signal came first: nothing is left to start, and `stop` ends the process.
    if (isStopping) return undefined
    logger.error({ event: 'start_failed', err: error }, 'could not start')
    logger.flush()
    process.stderr.write(`foregate: could not start: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCode.failed
  }
  logger.flush()
  return undefined
}

/** The configuration on standard output, what became of each option on standard error. */
async function migrateFiles({ source, files, report: form, keepSecrets }: MigrateCommand): Promise<number> {
  // Only whoever moves in needs it.
  const [{ migrate }, { MigrationInputError }, { isSettled, reportJson, reportText }] = await Promise.all([
    import('./migrate/migrate.ts'),
    import('./migrate/input.ts'),
    import('./migrate/report.ts'),
  ])
  try {
    const inputs = files.map((name) => ({ name, text: readFileSync(name === '-' ? 0 : name, 'utf8') }))
    const { config, report } = migrate(source, inputs, { keepSecrets })
    process.stdout.write(config)
    process.stderr.write(form === 'json' ? reportJson(report) : reportText(report))
    return isSettled(report) ? exitCode.fine : exitCode.failed
  } catch (error) {
    const isFile = error instanceof Error && 'code' in error && 'syscall' in error
    if (!isFile && !(error instanceof MigrationInputError)) throw error
    process.stderr.write(`foregate: ${error.message}\n`)
    return exitCode.badConfig
  }
}

/** Nothing of this process's own is needed for it, and its log would only stand between the lines of the answer. */
async function askForSessions(command: SessionsCommand, { admin }: Config): Promise<number> {
  if (admin === undefined) {
    process.stderr.write(
      'foregate: the configuration has no admin port: set admin.token, or admin.tls with clientCAFile\n',
    )
    return exitCode.badConfig
  }
  const { clientCertificate: files } = command
  let certificate: { cert: string; key: string } | undefined
  try {
    certificate = files && { cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }
  } catch (error) {
    process.stderr.write(`foregate: --cert, --key: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCode.badConfig
  }
  const { out, err, code } = await runSessionsCommand(command, { config: admin, certificate, clock: Date.now })
  process.stdout.write(out)
  process.stderr.write(err)
  return code
}

function serviceMetrics(version: string): Metrics {
  const metrics = createMetrics({ processMetrics: true })
  const labels = { version, node: process.version }
  metrics.gauge('build_info', '1; what runs is in its labels.', Object.keys(labels), () => [{ labels, value: 1 }])
  return metrics
}

/** False when it does not: then every problem stands on a line of its own. `file`: put in front where the problem has none. */
function configHolds(file: string | undefined, attempt: () => void): boolean {
  try {
    attempt()
    return true
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    for (const problem of error.problems) process.stderr.write(`${file === undefined ? '' : `${file}: `}${problem}\n`)
    return false
  }
}
