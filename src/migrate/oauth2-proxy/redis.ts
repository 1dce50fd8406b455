// Where oauth2-proxy keeps its sessions: nowhere but in cookies, or in Redis.
import { oauth2Proxy } from '../../config/moving-oauth2-proxy.ts'
import { Wrong } from '../../config/option.ts'
import { parseRedisUrl } from '../../config/redis-url.ts'
import type { Draft } from '../draft.ts'
import { Elsewhere, type Found, isOn, itemsOf, textOf } from '../found.ts'
import { setText } from '../shared-settings.ts'
import type { Options } from './options.ts'
import { ourText } from '../text.ts'

export function addRedis({ draft, take, peek }: Options): void {
  const kind = take('session_store_type')
  const type = textOf(kind?.value)
  if (kind !== undefined)
    draft.note(
      kind,
      type === 'redis' ? 'kept' : 'changed',
      'redis.enabled',
      type === 'redis' ? undefined : 'there is no cookie store: sessions are in memory, or in Redis',
    )
  const names = Object.keys(oauth2Proxy).filter((name) => name.startsWith('redis_'))
  if (type !== 'redis') {
    for (const found of names.map(take))
      if (found !== undefined)
        draft.note(found, 'dropped', undefined, 'had no effect there without session_store_type = redis')
    return
  }
  draft.set('redis.enabled', true, kind?.name)
  const isSentinel = isOn(take('redis_use_sentinel')?.value)
  const isCluster = isOn(take('redis_use_cluster')?.value)
  const url = take('redis_connection_url')
  if (url !== undefined) {
    if (isSentinel || isCluster) draft.note(url, 'dropped', undefined, 'sentinel and cluster say where Redis is')
    else redisUrl(draft, url)
  }
  const addresses = (name: string, path: string, wanted: boolean): void => {
    const found = take(name)
    if (found === undefined) return
    if (!wanted) return draft.note(found, 'dropped', undefined, 'had no effect there: it was not switched on')
    const list = itemsOf(found.value).map((item) => draft.text(item, found.name))
    const urls = list
      .map((item) => item.replace(/^rediss?:\/\/(?:[^@/]*@)?/, '').replace(/\/.*$/, ''))
      .map((item) => (/:\d+$/.test(item) ? item : `${item}:${path.includes('sentinel') ? 26379 : 6379}`))
    draft.set(path, urls, found.name)
    if (list.some((item) => item.startsWith('rediss://'))) draft.set('redis.enableTLS', true)
    draft.note(found, 'changed', path, 'as host:port')
  }
  addresses('redis_sentinel_connection_urls', 'redis.sentinel.addresses', isSentinel)
  addresses('redis_cluster_connection_urls', 'redis.cluster.addresses', isCluster)
  const master = take('redis_sentinel_master_name')
  if (master !== undefined && isSentinel) {
    draft.set('redis.sentinel.masterName', draft.text(textOf(master.value) ?? '', master.name), master.name)
    draft.note(master, 'kept', 'redis.sentinel.masterName')
  }
  const username = take('redis_username')
  if (username !== undefined) setText(draft, username, 'redis.username')
  for (const [name, path] of [
    ['redis_password', 'redis.password'],
    ['redis_sentinel_password', 'redis.sentinel.password'],
  ] as const) {
    const found = take(name)
    if (found === undefined) continue
    draft.secret(path, found, `what ${found.name} was`)
    draft.note(found, 'kept', path)
  }
  const ca = take('redis_ca_path')
  if (ca !== undefined) {
    draft.set('redis.caFile', textOf(ca.value) ?? '', ca.name)
    draft.file(textOf(ca.value) ?? '', 'certificate')
    draft.note(ca, 'kept', 'redis.caFile')
  }
  const skip = take('redis_insecure_skip_tls_verify')
  if (skip !== undefined && isOn(skip.value)) {
    draft.set('redis.tlsSkipVerify', true, skip.name)
    draft.note(skip, 'kept', 'redis.tlsSkipVerify', 'for tests only: name the CA in redis.caFile')
  }
  if (url === undefined && !isSentinel && !isCluster && peek('redis_connection_url') === undefined) {
    draft.set('redis.url', draft.variable('REDIS_URL', 'where Redis is: redis://host:6379', 'redis'))
  }
}

function redisUrl(draft: Draft, found: Found): void {
  const written = found.value instanceof Elsewhere ? '' : (textOf(found.value) ?? '')
  const { text, variables } = ourText(written)
  const parsed = variables.length === 0 && written !== '' ? parseRedisUrl(text.replace(/\?.*$/, '')) : new Wrong('')
  if (parsed instanceof Wrong) {
    draft.secret('redis.url', found, `what ${found.name} was, without a query`, 'redis')
    draft.note(found, 'kept', 'redis.url')
    return
  }
  const { address, password, username, db, tls } = parsed
  draft.set(
    'redis.address',
    'socketPath' in address ? address.socketPath : `${address.host}:${address.port}`,
    found.name,
  )
  if (username !== undefined) draft.set('redis.username', username)
  if (db !== undefined && db !== 0) draft.set('redis.db', db)
  if (tls) draft.set('redis.enableTLS', true)
  if (password !== undefined)
    draft.secret('redis.password', { ...found, value: password }, `the password in ${found.name}`)
  draft.note(
    found,
    'changed',
    'redis.address',
    `taken apart: host and port${password === undefined ? '' : ', and redis.password apart from them'}${text.includes('?') ? '; its query has no counterpart' : ''}`,
  )
}
