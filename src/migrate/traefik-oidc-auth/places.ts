// Our own paths, and the cookie.
import { setPublicURL, setText } from '../shared-settings.ts'
import type { Draft } from '../draft.ts'
import { isOn, itemsOf, textOf } from '../found.ts'
import type { Take } from './options.ts'

export function places(draft: Draft, take: Take): void {
  const callback = take('callbackuri')
  if (callback === undefined) draft.set('callbackURL', '/oidc/callback', 'CallbackUri, by its default there')
  else setPublicURL(draft, callback)
  const logout = take('logouturi')
  draft.set(
    'logoutURL',
    logout === undefined ? '/logout' : draft.text(textOf(logout.value) ?? '/logout', logout.name),
    logout?.name ?? 'LogoutUri, by its default there',
  )
  if (logout !== undefined) draft.note(logout, 'kept', 'logoutURL')
  const after = take('postlogoutredirecturi')
  if (after !== undefined) setText(draft, after, 'postLogoutRedirectURI', '/')
  const valid = take('validpostloginredirecturis')
  if (valid !== undefined) {
    const hosts = itemsOf(valid.value).flatMap(
      (uri) => /^https?:\/\/([^/?#*]+)(?:[/?#]|$)/.exec(draft.text(uri, valid.name))?.[1] ?? [],
    )
    if (hosts.length > 0) draft.set('allowedRedirectHosts', [...new Set(hosts)], valid.name)
    draft.note(
      valid,
      'changed',
      'allowedRedirectHosts',
      'hosts, not URLs; patterns and paths of the own host are left out',
    )
  }
}

export function cookies(draft: Draft, take: Take): void {
  for (const [theirs, ours] of [
    ['cookienameprefix', 'cookiePrefix'],
    ['sessioncookie.path', 'cookiePath'],
    ['sessioncookie.domain', 'cookieDomain'],
  ] as const) {
    const found = take(theirs)
    if (found === undefined) continue
    const text = draft.text(textOf(found.value) ?? '', found.name)
    // The callback would not see a cookie of a narrower path.
    const isNarrow = theirs === 'sessioncookie.path' && text !== '/'
    if (!isNarrow && text !== '') draft.set(ours, text.replace(/^\./, ''), found.name)
    draft.note(
      found,
      isNarrow ? 'changed' : 'kept',
      ours,
      isNarrow ? '/: the callback and the logout must see the cookie, too' : undefined,
    )
  }
  const secure = take('sessioncookie.secure')
  if (secure !== undefined) {
    if (!isOn(secure.value)) draft.set('forceHTTPS', false, secure.name)
    draft.note(secure, 'kept', 'forceHTTPS')
  }
  const sameSite = take('sessioncookie.samesite')
  const site = textOf(sameSite?.value)?.toLowerCase()
  if (sameSite !== undefined) {
    if (site !== undefined && site !== 'default') draft.set('cookieSameSite', site, sameSite.name)
    draft.note(sameSite, 'kept', 'cookieSameSite')
  }
  const age = take('sessioncookie.maxage')
  if (age === undefined) return
  const seconds = Number(textOf(age.value))
  if (seconds > 0) draft.set('sessionMaxAge', seconds, age.name)
  draft.note(
    age,
    seconds > 0 ? 'kept' : 'changed',
    'sessionMaxAge',
    seconds > 0 ? undefined : '24 h: a session has an end here',
  )
}
