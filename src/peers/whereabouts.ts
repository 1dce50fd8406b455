// Where peers may be: the addresses of the configuration, or every address of a name, asked for again and again, since replicas
// come and go. A name that is not answered changes nothing: those that were there probably still are.
import { lookup } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import type { Address } from '../config/config.ts'
import type { Runtime } from '../runtime.ts'

export interface Whereabouts {
  /** Resolves after the first answer, or soon after without one. */
  start(): Promise<void>
  stop(): void
  /** `host:port` each, this process's own probably among them. */
  current(): readonly string[]
}

/** All addresses of a name, of both families. Rejects where there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>

/** By the system's resolver, which knows the hosts file and the search list: a cluster's short names are in neither DNS zone. */
export const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true, order: 'verbatim' })).map(({ address }) => address)

const everyMs = 5_000
const firstAnswerMs = 1_000
// More replicas than any deployment has; an answer that names more is not about replicas.
const maxAddresses = 256

const addressText = ({ host, port }: Address) => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`)

export function fixedWhereabouts(addresses: readonly Address[]): Whereabouts {
  const texts = addresses.map(addressText)
  return { start: () => Promise.resolve(), stop: () => undefined, current: () => texts }
}

export function namedWhereabouts(parts: {
  name: Address
  resolve: Resolve
  runtime: Pick<Runtime, 'timer' | 'logger'>
}): Whereabouts {
  const { name, resolve, runtime } = parts
  const { timer, logger } = runtime
  let known: readonly string[] = []
  let isAnswered: boolean | undefined
  let stopped = false
  let callOff = () => {}

  async function look(): Promise<void> {
    try {
      const found = await resolve(name.host)
      if (found.length === 0) throw new Error('the name has no address')
      const hosts = [...new Set(found)].sort().slice(0, maxAddresses)
      known = hosts.map((host) => addressText({ host, port: name.port }))
      if (isAnswered === false)
        logger.info({ event: 'peers_found', name: name.host }, 'the name of the peers is answered')
      isAnswered = true
    } catch (error) {
      if (isAnswered !== false) {
        logger.warn(
          { event: 'peers_not_found', reason: 'dns', name: name.host, known: known.length, err: error },
          'the name of the peers is not answered; those known before are tried, and the name again',
        )
      }
      isAnswered = false
    }
    if (!stopped) callOff = timer(() => void look(), everyMs)
  }

  return {
    start() {
      return new Promise((resolve) => {
        const callOffFirst = timer(resolve, firstAnswerMs)
        void look().then(() => {
          callOffFirst()
          resolve()
        })
      })
    },
    stop() {
      stopped = true
      callOff()
    },
    current: () => known,
  }
}
