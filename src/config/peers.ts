// The `peers` group: where replicas find each other, and where this one is heard.
import type { PeersConfig } from './config.ts'
import { isShared } from './checks.ts'
import type { Checks } from './checks.ts'
import type { Path } from './problems.ts'
import { metricsListen } from './server.ts'

const addressesPath = ['peers', 'addresses']
const dnsPath = ['peers', 'dns']
const listenPath = ['peers', 'listen']

export function peersConfig(checks: Checks): PeersConfig | undefined {
  const { settings, refuse, warn, isGiven } = checks
  const { addresses, dns, listen } = settings.peers
  const ways: Path[] = []
  if (addresses.length > 0) ways.push(addressesPath)
  if (dns !== undefined) ways.push(dnsPath)
  const [way] = ways
  if (way === undefined) {
    if (isGiven(listenPath)) {
      warn(listenPath, 'has no effect without peers.addresses or peers.dns: nobody would be told')
    }
    return undefined
  }
  if (ways.length > 1) {
    refuse([dnsPath, addressesPath], 'is given beside peers.addresses; keep one of the two ways to find the others')
  }
  checkPort(checks)
  if (!isShared(checks)) {
    warn(way, 'has no effect without Redis: in memory mode replicas share nothing, and have nothing to tell each other')
    return undefined
  }
  return { listen, addresses, dns }
}

function checkPort({ settings, refuse }: Checks): void {
  const { listen, peers } = settings
  const { port } = peers.listen
  if (port === 0) refuse(listenPath, 'must name a port: the others have to know it')
  if (port === listen.port) refuse([listenPath, ['listen']], 'has the port of `listen`; give it another one')
  if (port === metricsListen(settings)?.port) {
    refuse([listenPath, ['metrics', 'listen']], 'has the port of `metrics.listen`; give it another one')
  }
}
