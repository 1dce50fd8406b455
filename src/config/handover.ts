// Which hosts are on other domains than the login host, so that a session has to be handed over to them.
import { coversHost, parseHostPattern } from './host-pattern.ts'

/** `host`: lower case, `name[:port]`. The same answer for every port where the pattern names none: cookies know no ports either. */
export type IsHandoverHost = (host: string) => boolean

/** Those that a cookie of the login host reaches are none, whatever the patterns cover. */
export function compileHandoverHosts(config: {
  handoverHosts: readonly string[]
  publicURL: string | undefined
  cookieDomain: string | undefined
}): IsHandoverHost {
  const { publicURL } = config
  const patterns = config.handoverHosts.flatMap((written) => {
    const parsed = parseHostPattern(written)
    return parsed.ok ? [parsed.value] : []
  })
  if (patterns.length === 0 || publicURL === undefined) return () => false
  const loginHost = new URL(publicURL).hostname
  const domain = config.cookieDomain?.toLowerCase().replace(/^\./, '')
  return (host) => {
    const name = cookieSite(host)
    if (name === loginHost || (domain !== undefined && (name === domain || name.endsWith(`.${domain}`)))) return false
    return patterns.some((pattern) => coversHost(pattern, host))
  }
}

/** Whose cookies a host's are: its name, without a port and without the dot of a fully qualified one. */
export const cookieSite = (host: string): string => host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()
