// What the slices share while they are put together: the settings, what was given, and where findings go.
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { leftBehind, noSecret } from './no-secrets.ts'
import { failureCode, readSecret, unreadable } from './secrets.ts'
import type { ReadFile, SecretSource } from './secrets.ts'
import type { Findings, Path } from './problems.ts'
import type { Settings } from './schema.ts'

export interface Checks extends Pick<Findings, 'refuse' | 'warn'> {
  readonly settings: Settings
  /** Whether the operator gave it, in the file or the environment, rightly or wrongly. */
  readonly isGiven: (path: Path) => boolean
  /** Given, but not in the file: what the file says comes first. */
  readonly isFromEnvironment: (path: Path) => boolean
  readonly readFile: ReadFile
}

/** The file's text, or undefined after a problem was noted. */
export function fileText(checks: Checks, path: Path, file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return checks.readFile(file)
  } catch (error) {
    checks.refuse(path, `its file cannot be read (${failureCode(error)}); check the path and its permissions`)
    return undefined
  }
}

/**
 * The secret as it is now, or undefined after a problem was noted: unreadable, empty, a placeholder, or with something left
 * around it. `lines`: it may have several.
 */
export function secretText(
  checks: Checks,
  path: Path,
  source: SecretSource | undefined,
  { lines = false }: { readonly lines?: boolean } = {},
): string | undefined {
  if (source === undefined) return undefined
  const { refuse, settings, readFile } = checks
  let value: string
  try {
    value = readSecret(source, settings.secretsDir, readFile)
  } catch (error) {
    if (source.from !== 'text') refuse(path, unreadable(source, error))
    return undefined
  }
  if (value.trim() === '') {
    refuse(path, 'is empty; put the secret into its file')
    return undefined
  }
  const problem = lines ? ofLines(value) : (noSecret(value) ?? leftBehind(value))
  if (problem === undefined) return value
  refuse(path, problem)
  return undefined
}

/** What is left around a line is told where the line is read. */
function ofLines(value: string): string | undefined {
  if (value.includes('\uFFFD')) return leftBehind(value)
  return value
    .split(/[\r\n]+/)
    .map(noSecret)
    .find((words) => words !== undefined)
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Notes a problem unless the text is one or more PEM certificates. */
export function checkCertificates(checks: Checks, path: Path, pem: string): void {
  const blocks = pem.match(CERTIFICATE) ?? []
  try {
    const certificates = blocks.map((block) => new X509Certificate(block))
    if (certificates.length > 0) return
  } catch {
    // Said below, in the operator's words.
  }
  checks.refuse(path, 'holds no readable certificate; it must be PEM (-----BEGIN CERTIFICATE-----)')
}

/** The key object, or undefined after a problem was noted. */
export function privateKey(checks: Checks, path: Path, pem: string) {
  try {
    return createPrivateKey(pem)
  } catch {
    checks.refuse(path, 'holds no readable private key; it must be unencrypted PEM (-----BEGIN PRIVATE KEY-----)')
    return undefined
  }
}

/** Whoever shows a certificate has it first in its file. An unreadable one is told elsewhere. */
export function belongsTo(certificate: string, key: KeyObject): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(key)
  } catch {
    return true
  }
}

/** Whether anything is kept in Redis; contradictions between the two options are told elsewhere. */
export function isShared({ settings }: Checks): boolean {
  const { enabled, cacheMode } = settings.redis
  return enabled && cacheMode !== 'memory'
}
