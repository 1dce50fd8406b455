// `redis://user:password@host:6379/0` and `rediss://…`, taken apart.
import type { Address } from './config.ts'
import { Wrong } from './option.ts'
import { address } from './network.ts'

export interface RedisUrl {
  readonly address: Address
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number | undefined
  readonly tls: boolean
}

const HOW = 'write redis://user:password@host:6379/0, or rediss:// for TLS, with special characters percent-encoded'

export function parseRedisUrl(written: string): RedisUrl | Wrong {
  const trimmed = written.trim()
  if (!/^rediss?:\/\//i.test(trimmed) || !URL.canParse(trimmed)) return new Wrong(`is no Redis URL; ${HOW}`)
  const url = new URL(trimmed)
  if (url.search !== '' || url.hash !== '')
    return new Wrong('must not have a query or fragment; use the options of this group')
  const db = /^\/?$/.test(url.pathname) ? undefined : /^\/(\d{1,2})$/.exec(url.pathname)?.[1]
  if (db === undefined && url.pathname.length > 1) return new Wrong('must name its database by number, 0 to 15')
  if (db !== undefined && Number(db) > 15) return new Wrong('must name a database from 0 to 15')
  const place = address(`${url.hostname}:${url.port === '' ? '6379' : url.port}`)
  if (place instanceof Wrong) return new Wrong(`has no usable host; ${HOW}`)
  try {
    return {
      address: place,
      username: url.username === '' ? undefined : decodeURIComponent(url.username),
      password: url.password === '' ? undefined : decodeURIComponent(url.password),
      db: db === undefined ? undefined : Number(db),
      tls: url.protocol === 'rediss:',
    }
  } catch {
    return new Wrong(`has a % that encodes nothing; ${HOW}`)
  }
}
