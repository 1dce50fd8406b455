// How long a session lives, what seals it, and the cookie that carries its ticket.
import type { CookieConfig, SessionConfig } from './config.ts'
import { secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import type { SecretSource } from './secrets.ts'
import { leftBehind, weakness } from './no-secrets.ts'
import { covers } from './url-path.ts'
import { isToken } from './values.ts'

const MIN_KEY_BYTES = 32

export function sessionConfig(checks: Checks): SessionConfig {
  const { settings, warn } = checks
  const idleTimeoutMs = settings.sessionIdleTimeout === 'off' ? undefined : settings.sessionIdleTimeout
  if (idleTimeoutMs !== undefined && idleTimeoutMs > settings.sessionMaxAge) {
    warn(['sessionIdleTimeout'], 'is longer than sessionMaxAge and never ends a session')
  }
  checkHandoverHosts(checks)
  return {
    encryptionKeys: encryptionKeys(checks),
    maxAgeMs: settings.sessionMaxAge,
    idleTimeoutMs,
    refreshGraceMs: settings.refreshGracePeriodSeconds,
    maxPerUser: settings.session.maxPerUser === 'off' ? undefined : settings.session.maxPerUser,
    handoverHosts: settings.session.handoverHosts,
  }
}

function checkHandoverHosts({ settings, refuse, isGiven }: Checks): void {
  if (!isGiven(['session', 'handoverHosts']) || settings.session.handoverHosts.length === 0) return
  const path = ['session', 'handoverHosts']
  if (settings.publicURL === undefined) {
    refuse(
      [path, ['publicURL']],
      'needs publicURL: the host where everybody logs in, and sessions are handed over from',
    )
  }
  if (!covers(settings.cookiePath, `${settings.pathPrefix}/handover`)) {
    refuse(
      [path, ['cookiePath']],
      'needs a cookiePath that covers pathPrefix, or our cookies would never get there; use /',
    )
  }
}

function encryptionKeys(checks: Checks): Buffer[] {
  const sources: readonly SecretSource[] = checks.settings.sessionEncryptionKey ?? []
  const how = 'make one with `openssl rand -base64 32`'
  if (sources.length === 0) checks.refuse(['sessionEncryptionKey'], `is missing; ${how}`)
  const keys = sources.flatMap((source, index) => {
    const path = sources.length === 1 ? ['sessionEncryptionKey'] : ['sessionEncryptionKey', index]
    // A file may hold several keys, one a line: the way to rotate a mounted secret.
    const content = secretText(checks, path, source, { lines: source.from !== 'text' })
    if (content === undefined) return []
    const texts = content.split(/[\r\n]+/).filter((line) => line.trim() !== '')
    return texts.map((text) => checkedKey(checks, path, text, how))
  })
  if (new Set(keys.map((key) => key.toString('latin1'))).size < keys.length) {
    checks.refuse(['sessionEncryptionKey'], 'names the same key twice; remove one of them')
  }
  return keys
}

function checkedKey(checks: Checks, path: (string | number)[], text: string, how: string): Buffer {
  const key = Buffer.from(text, 'utf8')
  const weak = weakness(text)
  const left = leftBehind(text)
  if (left !== undefined) checks.refuse(path, left)
  else if (key.length < MIN_KEY_BYTES)
    checks.refuse(path, `has ${key.length} bytes, at least ${MIN_KEY_BYTES} are needed; ${how}`)
  else if (weak !== undefined) checks.refuse(path, `${weak}; ${how}`)
  return key
}

/** What all our cookies may take of a browser's Cookie header is 4 KB, and each of seven names is part of it. */
const MAX_NAME_LENGTH = 64

const GUARDED = /^__(host|secure)-/i

export function cookieConfig(checks: Checks): CookieConfig {
  const { settings, refuse, isGiven } = checks
  const { cookiePrefix, cookieDomain: domain, cookiePath: path, cookieSameSite: sameSite, forceHTTPS } = settings
  const plainName = settings.cookieName ?? `${cookiePrefix}session`
  // Browsers refuse `__Host-` with a domain or another path, and both prefixes without Secure (RFC 6265bis, 4.1.3).
  const mayBeHost = forceHTTPS && domain === undefined && path === '/'
  const guard = mayBeHost ? '__Host-' : forceHTTPS ? '__Secure-' : ''
  const named = (name: string): string => (GUARDED.test(name) ? name : `${guard}${name}`)

  for (const option of ['cookieName', 'cookiePrefix'] as const) {
    const name = settings[option]
    if (name === undefined) continue
    const prefix = GUARDED.exec(name)?.[1]?.toLowerCase()
    if (name.length > MAX_NAME_LENGTH) refuse([option], `is longer than ${MAX_NAME_LENGTH} characters`)
    else if (!isToken(name))
      refuse([option], 'has characters that a cookie name must not have; use letters, digits, _ and -')
    else if (prefix === 'host' && !mayBeHost) {
      refuse(
        [[option], ['forceHTTPS'], ['cookieDomain'], ['cookiePath']],
        'begins with __Host-, which browsers accept only with forceHTTPS, path / and no cookieDomain',
      )
    } else if (prefix === 'secure' && !forceHTTPS) {
      refuse([[option], ['forceHTTPS']], 'begins with __Secure-, which browsers accept only with forceHTTPS')
    }
  }
  const sessionName = named(plainName)
  const flowPrefix = named(`${cookiePrefix}flow_`)
  const passName = named(`${cookiePrefix}pass`)
  if (sessionName === passName || sessionName.startsWith(flowPrefix)) {
    refuse([['cookieName'], ['cookiePrefix']], 'is the name of another cookie of ours; choose another one')
  }
  if (sameSite === 'none' && !forceHTTPS) {
    refuse([['cookieSameSite'], ['forceHTTPS']], 'none needs forceHTTPS: browsers drop such a cookie without Secure')
  }
  if (!forceHTTPS && isGiven(['forceHTTPS'])) {
    checks.warn(['forceHTTPS'], 'is off: cookies also travel over plain http, where they can be read; for tests only')
  }
  return { sessionName, flowPrefix, passName, domain, path, sameSite, forceHTTPS }
}
