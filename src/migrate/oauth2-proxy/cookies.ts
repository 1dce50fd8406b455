// oauth2-proxy's cookie, and how long a session of it lasts.
import { oauth2ProxyMove } from '../../config/moving.ts'
import { setDuration } from '../shared-settings.ts'
import { isOn, itemsOf, textOf } from '../found.ts'
import type { Options } from './options.ts'

export function addCookies({ draft, take, peek }: Options): void {
  for (const name of ['cookie_secret', 'cookie_secret_file']) {
    const found = take(name)
    if (found !== undefined) draft.note(found, 'changed', 'sessionEncryptionKey', oauth2ProxyMove(name)?.note)
  }
  const name = take('cookie_name')
  if (name !== undefined) {
    draft.set('cookieName', draft.text(textOf(name.value) ?? '', name.name), name.name)
    draft.note(name, 'changed', 'cookieName', '__Host- or __Secure- comes in front where browsers accept it')
  }
  const secure = take('cookie_secure')
  const isPlain = secure !== undefined && !isOn(secure.value)
  if (secure !== undefined) {
    if (isPlain) draft.set('forceHTTPS', false, secure.name)
    draft.note(secure, 'kept', 'forceHTTPS', isPlain ? 'off: for tests on plain http only' : undefined)
  }
  const domain = take('cookie_domain')
  if (domain !== undefined) {
    const [first, ...more] = itemsOf(domain.value).map((item) => draft.text(item, domain.name))
    if (first !== undefined) draft.set('cookieDomain', first.replace(/^\./, ''), domain.name)
    if (more.length > 0)
      draft.note(
        domain,
        'decide',
        'cookieDomain',
        'several domains there, one here: the first was taken; a login counts on hosts under it only',
      )
    else draft.note(domain, 'kept', 'cookieDomain')
  }
  const path = take('cookie_path')
  if (path !== undefined) {
    draft.set('cookiePath', textOf(path.value) ?? '/', path.name)
    draft.note(path, 'kept', 'cookiePath')
  }
  const sameSite = take('cookie_samesite')
  const site = textOf(sameSite?.value)?.toLowerCase()
  if (sameSite !== undefined) {
    if (site !== undefined && site !== '') draft.set('cookieSameSite', site, sameSite.name)
    draft.note(
      sameSite,
      site === '' ? 'changed' : 'kept',
      'cookieSameSite',
      site === '' ? 'lax unless it is given' : undefined,
    )
  }
  // 168 h there where nothing is said.
  const expire = take('cookie_expire')
  if (expire === undefined) {
    draft.set('sessionMaxAge', '168h', 'cookie_expire, by its default there')
  } else if (/^0[a-z]*$/.test(textOf(expire.value) ?? '')) {
    draft.note(expire, 'changed', 'sessionMaxAge', 'a session has an end here: 24 h, and the cookie lasts as long')
  } else setDuration(draft, expire, 'sessionMaxAge', oauth2ProxyMove('cookie_expire')?.note)
  const refresh = take('cookie_refresh')
  if (refresh !== undefined) {
    draft.note(
      refresh,
      'changed',
      'refreshGracePeriodSeconds',
      'a token is refreshed by itself, 60 s before it ends, and not by the age of the cookie',
    )
  }
  if (
    peek('session_store_type') === undefined &&
    peek('redis_connection_url') === undefined &&
    peek('redis_use_sentinel') === undefined &&
    peek('redis_use_cluster') === undefined
  ) {
    draft.next(
      'sessions are kept in this process’s memory, not in cookies: a restart asks everybody to log in again, and several replicas need redis.*',
    )
  }
}
