#!/usr/bin/env node
// The process: its arguments, files, environment, output, signals and exit codes. Nothing else touches them.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createApp } from './app.ts'
import { checkConnections } from './check.ts'
import { parseArguments } from './cli.ts'
import { loadConfig } from './config/load.ts'
import { ConfigInvalid } from './errors.ts'
import { createLogger } from './telemetry/pino.ts'
import { createMetrics } from './telemetry/prometheus.ts'
import { systemTimer } from './time.ts'

const exitCode = { fine: 0, failed: 1, badConfig: 2 }

const packageVersion = (): string => {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  // Our own package.json: it has a version.
  return (JSON.parse(text) as { version: string }).version
}

async function main(): Promise<number | undefined> {
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
    case 'check':
    case 'serve':
      break
  }
  let loaded
  try {
    loaded = loadConfig({
      ...(command.file !== undefined && { file: command.file }),
      env: process.env,
      readFile: (path) => readFileSync(path, 'utf8'),
    })
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    for (const problem of error.problems) process.stderr.write(`${problem}\n`)
    return exitCode.badConfig
  }
  const { config, warnings } = loaded

  const logger = createLogger({ level: config.server.logLevel })
  const surroundings = {
    clock: Date.now,
    stopwatch: () => performance.now(),
    timer: systemTimer,
    random: Math.random,
    randomBytes,
    logger,
  }
  if (command.kind === 'check') {
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
    try {
      createApp(config, { ...surroundings, metrics: createMetrics({ processMetrics: false }) })
    } catch (error) {
      if (!(error instanceof ConfigInvalid)) throw error
      for (const problem of error.problems) process.stderr.write(`${command.file ?? 'environment'}: ${problem}\n`)
      return exitCode.badConfig
    }
    if (!command.connect) {
      process.stdout.write('the configuration is fine\n')
      return exitCode.fine
    }
    const report = await checkConnections(config, { ...surroundings, metrics: createMetrics({ processMetrics: false }) })
    for (const line of report.lines) process.stdout.write(`${line}\n`)
    return report.ok ? exitCode.fine : exitCode.failed
  }

  for (const warning of warnings) logger.warn({ event: 'config_warning' }, warning)
  let app
  try {
    app = createApp(config, { ...surroundings, metrics: createMetrics({ processMetrics: true }) })
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    for (const problem of error.problems) process.stderr.write(`${command.file ?? 'environment'}: ${problem}\n`)
    return exitCode.badConfig
  }

  const stop = () => {
    // A second signal (npm passes its own on) changes nothing; whoever must not wait has SIGKILL.
    const forced = setTimeout(() => {
      logger.warn({ event: 'stop_forced', reason: 'shutdown_timeout' }, 'stopped before all was finished')
      logger.flush()
      process.exit(exitCode.fine)
    }, config.server.shutdownTimeoutMs)
    forced.unref()
    void app.stop().then(() => {
      logger.flush()
      process.exit(exitCode.fine)
    })
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    await app.start()
  } catch (error) {
    logger.error({ event: 'start_failed', err: error }, 'could not start')
    logger.flush()
    process.stderr.write(`foregate: could not start: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCode.failed
  }
  logger.flush()
  return undefined
}

process.on('uncaughtException', (error) => {
  process.stderr.write(`foregate: ${error.stack ?? error.message}\n`)
  process.exit(exitCode.failed)
})
const code = await main()
if (code !== undefined) process.exit(code)
