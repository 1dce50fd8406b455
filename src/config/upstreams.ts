// The applications of reverse-proxy mode.
import { ruleConfig } from './access.ts'
import { belongsTo, checkCertificates, fileText, privateKey, type Checks } from './checks.ts'
import type { UpstreamConfig } from './config.ts'
import type { Path } from './problems.ts'
import type { Settings } from './schema.ts'
import { covers } from './url-path.ts'

type UpstreamSettings = Settings['upstreams'][number]

export function upstreamsConfig(checks: Checks): UpstreamConfig[] {
  const { settings, refuse } = checks
  const seen = new Set<string>()
  return settings.upstreams.map((upstream, index) => {
    const at = ['upstreams', index]
    const place = `${upstream.host ?? '*'} ${upstream.path}`
    if (seen.has(place))
      refuse(at, 'has the host and path of an earlier one and would never be used; remove one of them')
    seen.add(place)
    if (covers(settings.pathPrefix, upstream.path)) {
      refuse([...at, 'path'], 'lies where only this service answers; move the application to another path')
    }
    if (new URL(upstream.url).search !== '')
      refuse([...at, 'url'], 'must not have a query; only scheme, host, port and path')
    return {
      host: upstream.host === '*' ? undefined : upstream.host,
      path: upstream.path,
      url: upstream.url,
      ...tlsOf(checks, at, upstream),
      passHost: upstream.passHost,
      allowedOrigins: upstream.allowedOrigins,
      connectTimeoutMs: upstream.connectTimeout,
      responseTimeoutMs: upstream.responseTimeout,
      idleTimeoutMs: upstream.idleTimeout === 'off' ? undefined : upstream.idleTimeout,
      maxConnections: upstream.maxConnections,
      health:
        upstream.healthPath === undefined
          ? undefined
          : { path: upstream.healthPath, intervalMs: upstream.healthInterval },
      rules: upstream.rules.map(ruleConfig),
    }
  })
}

function tlsOf(
  checks: Checks,
  at: Path,
  { url, caFile, certFile, keyFile, serverName }: UpstreamSettings,
): Pick<UpstreamConfig, 'caPEM' | 'certPEM' | 'keyPEM' | 'serverName'> {
  const { refuse, warn } = checks
  if (url.startsWith('http:')) {
    for (const [name, value] of Object.entries({ caFile, certFile, keyFile, serverName })) {
      if (value !== undefined) warn([...at, name], 'has no effect: url is http://, which knows no certificates')
    }
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [missing, present] = certFile === undefined ? ['certFile', 'keyFile'] : ['keyFile', 'certFile']
    refuse(
      [
        [...at, missing],
        [...at, present],
      ],
      'is missing; a client certificate needs both certFile and keyFile',
    )
  }
  const caPEM = fileText(checks, [...at, 'caFile'], caFile)
  const certPEM = fileText(checks, [...at, 'certFile'], certFile)
  const keyPEM = fileText(checks, [...at, 'keyFile'], keyFile)
  if (caPEM !== undefined) checkCertificates(checks, [...at, 'caFile'], caPEM)
  if (certPEM !== undefined) checkCertificates(checks, [...at, 'certFile'], certPEM)
  const key = keyPEM === undefined ? undefined : privateKey(checks, [...at, 'keyFile'], keyPEM)
  if (certPEM !== undefined && key !== undefined && !belongsTo(certPEM, key)) {
    refuse(
      [
        [...at, 'keyFile'],
        [...at, 'certFile'],
      ],
      'is not the key of the certificate in certFile; give the two that belong together',
    )
  }
  return { caPEM, certPEM, keyPEM, serverName }
}
