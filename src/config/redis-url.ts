// `redis://user:password@host:6379/0`, `rediss://…` and `unix:///run/redis.sock?db=0`, taken apart.
import type { Address } from './config.ts'
import type { SocketPath } from './network.ts'
import { Wrong } from './option.ts'
import { address } from './network.ts'

export interface RedisUrl {
  readonly address: Address | SocketPath
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number | undefined
  readonly tls: boolean
}

const HOW = 'write redis://user:password@host:6379/0, or rediss:// for TLS, with special characters percent-encoded'

export function parseRedisUrl(written: string): RedisUrl | Wrong {
  const trimmed = written.trim()
  const isSocket = /^(?:redis\+)?unix:\/\//i.test(trimmed)
  if (!(isSocket || /^rediss?:\/\//i.test(trimmed)) || !URL.canParse(trimmed))
    return new Wrong(`is no Redis URL; ${HOW}`)
  const url = new URL(trimmed)
  const place = isSocket ? socketOf(url) : serverOf(url)
  if (place instanceof Wrong) return place
  if (place.db !== undefined && !/^\d{1,7}$/.test(place.db)) return new Wrong('must name its database by number')
  try {
    return {
      address: place.address,
      username: url.username === '' ? undefined : decodeURIComponent(url.username),
      password: url.password === '' ? undefined : decodeURIComponent(url.password),
      db: place.db === undefined ? undefined : Number(place.db),
      tls: url.protocol === 'rediss:',
    }
  } catch {
    return new Wrong(`has a % that encodes nothing; ${HOW}`)
  }
}

interface Place {
  readonly address: Address | SocketPath
  readonly db: string | undefined
}

function serverOf(url: URL): Place | Wrong {
  if (url.search !== '' || url.hash !== '')
    return new Wrong('must not have a query or fragment; use the options of this group')
  const found = address(`${url.hostname}:${url.port === '' ? '6379' : url.port}`)
  if (found instanceof Wrong) return new Wrong(`has no usable host; ${HOW}`)
  return { address: found, db: url.pathname.length > 1 ? url.pathname.slice(1) : undefined }
}

function socketOf(url: URL): Place | Wrong {
  const others = [...url.searchParams.keys()].filter((name) => name !== 'db')
  if (url.host !== '' || url.pathname.length < 2 || url.hash !== '' || others.length > 0) {
    return new Wrong('must name a socket by its absolute path: unix:///run/redis/redis.sock, or with ?db=1')
  }
  return { address: { socketPath: url.pathname }, db: url.searchParams.get('db') ?? undefined }
}
