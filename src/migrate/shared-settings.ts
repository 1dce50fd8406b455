// What several sources say in the same words: texts, addresses, durations, hosts, the callback's address, scopes.
import type { Draft } from './draft.ts'
import { durationMs } from '../config/values.ts'
import { parseHostPattern } from '../config/host-pattern.ts'
import { itemsOf, textOf, type Found } from './found.ts'

/** `http://0.0.0.0:4180`, `:4180`, `4180`. */
export function setAddress(draft: Draft, found: Found, path: string): void {
  const text = draft
    .text(textOf(found.value) ?? '', found.name)
    .replace(/^(?:tcp|https?):\/\//, '')
    .replace(/\/$/, '')
  if (text === '' || text === '-' || /^(?:unix|fd):/.test(text))
    return draft.note(found, 'decide', path, 'there are TCP addresses only')
  draft.set(path, text, found.name)
  draft.note(found, 'kept', path)
}

/** A text that means the same here. `orElse`: where the source has something else than a text. */
export function setText(draft: Draft, found: Found, path: string, orElse = ''): void {
  draft.set(path, draft.text(textOf(found.value) ?? orElse, found.name), found.name)
  draft.note(found, 'kept', path)
}

/** Go's durations, or seconds. */
export function setDuration(draft: Draft, found: Found, path: string, note?: string): void {
  const text = draft.text(textOf(found.value) ?? '', found.name)
  if (durationMs(text) === undefined && !text.includes('${'))
    return draft.note(found, 'decide', path, 'is no duration; the default is used')
  draft.set(path, /^\d+$/.test(text) ? Number(text) : text, found.name)
  draft.note(found, note === undefined ? 'kept' : 'changed', path, note)
}

/** The whole address of the callback, or its path. */
export function setPublicURL(draft: Draft, found: Found): void {
  const text = draft.text(textOf(found.value) ?? '', found.name)
  const [, origin, path = ''] = /^(https?:\/\/[^/?#]+)?(\/[^?#]*)?$/.exec(text) ?? []
  if (origin === undefined && path === '')
    return draft.note(
      found,
      'decide',
      'callbackURL',
      'is no address; the callback is at /oauth2/callback of the request’s own host',
    )
  const prefix = typeof draft.get('pathPrefix') === 'string' ? String(draft.get('pathPrefix')) : '/oauth2'
  const callback = path.replace(/\/$/, '')
  if (callback !== '' && callback !== `${prefix}/callback`) draft.set('callbackURL', callback, found.name)
  if (origin !== undefined) draft.set('publicURL', origin, found.name)
  if (origin?.startsWith('http://') === true && draft.get('forceHTTPS') !== false)
    draft.set('publicURL', origin.replace('http:', 'https:'))
  draft.note(
    found,
    origin === undefined ? 'kept' : 'changed',
    origin === undefined ? 'callbackURL' : 'publicURL',
    origin === undefined
      ? undefined
      : 'scheme and host are publicURL, the path is callbackURL (left out where it is the default)',
  )
}

/** Hosts that a login may return to. A pattern that ours cannot say is left out: fewer places, never more. */
export function setHosts(draft: Draft, found: Found): void {
  const written = itemsOf(found.value).map((item) => draft.text(item, found.name))
  const hosts = written.map((item) =>
    item
      .replace(/^https?:\/\//, '')
      .replace(/:\*$/, '')
      .replace(/\/.*$/, ''),
  )
  const good = hosts.filter((host) => host.includes('${') || parseHostPattern(host).ok)
  if (good.length > 0) draft.set('allowedRedirectHosts', [...new Set(good)], found.name)
  const isWhole = good.length === written.length
  draft.note(
    found,
    isWhole ? 'kept' : 'decide',
    'allowedRedirectHosts',
    isWhole
      ? undefined
      : 'some of them are no hosts or patterns of ours (`*` for everything is none), and are left out',
  )
}

/** Those that are always asked for need not be said. */
export function setScopes(draft: Draft, found: Found, scopes: readonly string[]): void {
  const all = scopes.map((scope) => draft.text(scope, found.name))
  const base = ['openid', 'profile', 'email']
  draft.set('scopes', all, found.name)
  const isWhole = base.every((scope) => all.includes(scope))
  if (!isWhole && all.includes('openid')) draft.set('overrideScopes', true, `${found.name}: nothing but these`)
  draft.note(found, 'kept', 'scopes')
}

/** A proxy in front has to be named, and in which network it is only Compose says. */
export function setTrustedProxies(draft: Draft, isCompose: boolean): void {
  const by = { name: 'the proxy in front', place: 'not in these files' }
  if (isCompose) {
    draft.set(
      'trustedProxies',
      ['172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8'],
      'the networks of Compose; name the proxy’s own address, if it has one',
    )
    return draft.note(
      by,
      'changed',
      'trustedProxies',
      'forwarded headers count from private networks, where Compose puts its containers; name the proxy alone, if you can',
    )
  }
  draft.propose('trustedProxies', ' The addresses of the proxies in front:', 'trustedProxies: [10.0.0.0/8]')
  draft.note(
    by,
    'decide',
    'trustedProxies',
    'forwarded headers count from the proxies that are named here, and from nobody else: without it a proxy on another machine gets 403',
  )
}
