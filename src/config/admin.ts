// The `admin` group: where operators list and end sessions, and how they prove that it is they.
import type { AdminConfig, AdminTlsConfig } from './config.ts'
import { belongsTo, checkCertificates, fileText, privateKey, secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import { isLoopback } from './network.ts'
import { leftBehind, weakness } from './no-secrets.ts'
import type { Path } from './problems.ts'
import { metricsListen } from './server.ts'

const minTokenLength = 32

const listenPath = ['admin', 'listen']
const hostsPath = ['admin', 'hosts']
const tokenPath = ['admin', 'token']
const tlsPath = (name: 'certFile' | 'keyFile' | 'clientCAFile') => ['admin', 'tls', name]

/** Undefined without a credential: nobody could show one, and nothing listens. */
export function adminConfig(checks: Checks): AdminConfig | undefined {
  const { settings, warn, isGiven } = checks
  const { listen, hosts, tls: files, token: source } = settings.admin
  if (source === undefined && files.clientCAFile === undefined) {
    for (const path of [listenPath, hostsPath, tlsPath('certFile'), tlsPath('keyFile')]) {
      // A token that could not be read is told by itself.
      if (isGiven(path) && !isGiven(tokenPath)) {
        warn(path, 'has no effect without admin.token or admin.tls.clientCAFile: nothing listens without a credential')
      }
    }
    return undefined
  }
  checkPort(checks)
  const token = tokenOf(checks)
  const tls = tlsOf(checks)
  if (tls === undefined && !isLoopback(listen.host)) {
    warn(
      listenPath,
      'is not loopback, and without admin.tls the token travels where others can read it; set admin.tls.certFile and keyFile, or listen on 127.0.0.1',
    )
  }
  if (settings.logLevel === 'warn' || settings.logLevel === 'error') {
    warn(['logLevel'], 'leaves out what is kept on record of operators (event audit, level info); use info')
  }
  return { listen, hosts, token, tls }
}

function checkPort({ settings, refuse }: Checks): void {
  const { admin, listen, peers } = settings
  const { port } = admin.listen
  if (port === 0) refuse(listenPath, 'must name a port: foregate sessions has to know it')
  const others: readonly (readonly [path: Path, port: number | undefined])[] = [
    [['listen'], listen.port],
    [['metrics', 'listen'], metricsListen(settings)?.port],
    [['peers', 'listen'], peers.addresses.length > 0 || peers.dns !== undefined ? peers.listen.port : undefined],
  ]
  for (const [path, taken] of others) {
    if (port !== 0 && port === taken) {
      refuse([listenPath, path], `has the port of \`${path.join('.')}\`; give it another one`)
    }
  }
}

function tokenOf(checks: Checks): string | undefined {
  const token = secretText(checks, tokenPath, checks.settings.admin.token)
  if (token === undefined) return undefined
  const how = 'make one with `openssl rand -base64 32`'
  const weak = weakness(token)
  const left = leftBehind(token)
  if (left !== undefined) checks.refuse(tokenPath, left)
  else if (!/^[\x21-\x7e]+$/.test(token)) {
    checks.refuse(tokenPath, `has characters that no Authorization header can carry; ${how}`)
  } else if (token.length < minTokenLength) {
    checks.refuse(tokenPath, `has ${token.length} characters, at least ${minTokenLength} are needed; ${how}`)
  } else if (weak !== undefined) checks.refuse(tokenPath, `${weak}; ${how}`)
  return token
}

function tlsOf(checks: Checks): AdminTlsConfig | undefined {
  const { settings, refuse } = checks
  const { certFile, keyFile, clientCAFile } = settings.admin.tls
  const cert = fileText(checks, tlsPath('certFile'), certFile)
  const key = fileText(checks, tlsPath('keyFile'), keyFile)
  const clientCA = fileText(checks, tlsPath('clientCAFile'), clientCAFile)
  if (cert !== undefined) checkCertificates(checks, tlsPath('certFile'), cert)
  if (clientCA !== undefined) checkCertificates(checks, tlsPath('clientCAFile'), clientCA)
  const opened = key === undefined ? undefined : privateKey(checks, tlsPath('keyFile'), key)
  if (cert !== undefined && opened !== undefined && !belongsTo(cert, opened)) {
    refuse(
      [tlsPath('keyFile'), tlsPath('certFile')],
      'is not the key of the certificate in admin.tls.certFile; give the two that belong together',
    )
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [missing, present] =
      certFile === undefined ? (['certFile', 'keyFile'] as const) : (['keyFile', 'certFile'] as const)
    refuse([tlsPath(missing), tlsPath(present)], 'is missing; TLS needs both certFile and keyFile')
  } else if (certFile === undefined && clientCAFile !== undefined) {
    refuse(
      [tlsPath('certFile'), tlsPath('clientCAFile')],
      'is missing; certificates are asked of clients over TLS, which needs certFile and keyFile',
    )
  }
  return cert === undefined || key === undefined ? undefined : { cert, key, clientCA }
}
