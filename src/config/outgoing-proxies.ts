// Proxies on the way to the provider, under the names that every program's environment has for them.
import type { ProxiesConfig } from './config.ts'
import { secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import { parseWebURL } from './network.ts'

export function outgoingProxies(checks: Checks): ProxiesConfig {
  return {
    http: proxyURL(checks, 'httpProxy'),
    https: proxyURL(checks, 'httpsProxy'),
    // Some write them with spaces between.
    except: checks.settings.noProxy.flatMap((entry) => entry.split(/\s+/)).filter((entry) => entry !== ''),
  }
}

/** A secret, because it may carry a password. */
function proxyURL(checks: Checks, name: 'httpProxy' | 'httpsProxy'): string | undefined {
  const written = secretText(checks, [name], checks.settings[name])?.trim()
  if (written === undefined) return undefined
  // `proxy:3128` is how many write it in the environment.
  const url = parseWebURL(/^[a-z][a-z0-9+.-]*:\/\//i.test(written) ? written : `http://${written}`)
  if (url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '') return url.href
  checks.refuse([name], 'must be the address of an HTTP proxy, such as http://proxy.example.com:3128')
  return undefined
}
