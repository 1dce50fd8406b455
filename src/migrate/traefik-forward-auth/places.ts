// Addresses, cookies and what the application is told.
import { setDuration, setText, setTrustedProxies } from '../shared-settings.ts'
import type { Draft } from '../draft.ts'
import { isOn, itemsOf, textOf } from '../found.ts'
import type { Take } from './read.ts'

export function addPlaces(draft: Draft, take: Take, isCompose: boolean): void {
  const insecure = take('insecure-cookie')
  const secure = take('cookie-secure')
  const isPlain = (insecure !== undefined && isOn(insecure.value)) || (secure !== undefined && !isOn(secure.value))
  if (isPlain) draft.set('forceHTTPS', false, (insecure ?? secure)?.name)
  for (const found of [insecure, secure])
    if (found !== undefined)
      draft.note(found, 'kept', 'forceHTTPS', isPlain ? 'off: for tests on plain http only' : undefined)
  const domains = [take('cookie-domain'), take('cookie-domains')].filter((one) => one !== undefined)
  const names = domains.flatMap((one) =>
    itemsOf(one.value).map((item) => draft.text(item, one.name).replace(/^\./, '')),
  )
  const [domain] = names
  if (domain !== undefined) draft.set('cookieDomain', domain, domains[0]?.name)
  for (const one of domains)
    draft.note(
      one,
      names.length > 1 ? 'decide' : 'kept',
      'cookieDomain',
      names.length > 1 ? 'one domain here: the first was taken, and a login counts on hosts under it only' : undefined,
    )
  const host = take('auth-host')
  if (host !== undefined) {
    draft.set(
      'publicURL',
      `${isPlain ? 'http' : 'https'}://${draft.text(textOf(host.value) ?? '', host.name)}`,
      host.name,
    )
    draft.note(host, 'kept', 'publicURL')
  }
  const path = take('url-path')
  const callback = `/${draft.text(textOf(path?.value) ?? '/_oauth', 'url-path').replace(/^\/+|\/+$/g, '')}`
  draft.set(
    'callbackURL',
    callback,
    path?.name ?? 'url-path, by its default there: the redirect URI at the provider stays',
  )
  draft.set('logoutURL', `${callback}/logout`, 'url-path + /logout')
  if (path !== undefined) draft.note(path, 'kept', 'callbackURL')
  const name = take('cookie-name')
  if (name !== undefined) setText(draft, name, 'cookieName')
  const lifetime = take('lifetime')
  if (lifetime === undefined) draft.set('sessionMaxAge', '12h', 'lifetime, by its default there')
  else setDuration(draft, lifetime, 'sessionMaxAge')
  const after = take('logout-redirect')
  if (after !== undefined) setText(draft, after, 'postLogoutRedirectURI', '/')
  const port = take('port')
  draft.set(
    'listen',
    `0.0.0.0:${draft.text(textOf(port?.value) ?? '4181', 'port')}`,
    port?.name ?? 'port, by its default there',
  )
  if (port !== undefined) draft.note(port, 'kept', 'listen')
  const level = take('log-level')
  if (level !== undefined) {
    const word = textOf(level.value)?.toLowerCase() ?? 'info'
    const ours = { trace: 'debug', fatal: 'error', panic: 'error' }[word] ?? word
    draft.set('logLevel', draft.text(ours, level.name), level.name)
    draft.note(
      level,
      ours === word ? 'kept' : 'changed',
      'logLevel',
      ours === word ? undefined : `${ours}: the nearest`,
    )
  }
  const token = take('forward-token-header-name')
  const header = textOf(token?.value)
  if (token !== undefined && header !== undefined) {
    const prefix = take('forward-token-prefix')
    draft.set(
      'headers',
      [
        {
          name: header,
          template: `${typeof prefix?.value === 'string' ? draft.text(prefix.value, prefix.name) : 'Bearer '}{{.IDToken}}`,
        },
      ],
      token.name,
    )
    draft.note(token, 'kept', 'headers')
    if (prefix !== undefined) draft.note(prefix, 'kept', 'headers')
  }
  const groups = take('groups-attribute-name')
  if (groups !== undefined) setText(draft, groups, 'groupClaimName')
  const action = take('default-action')
  if (action !== undefined) {
    const isAllow = textOf(action.value)?.toLowerCase() !== 'auth'
    draft.note(
      action,
      isAllow ? 'decide' : 'kept',
      'rules',
      isAllow ? 'not made public: whatever had no rule was everybody’s there; here it needs a login' : undefined,
    )
  }
  setTrustedProxies(draft, isCompose)
  draft.next(
    'in Traefik the address of the forwardAuth becomes http://foregate:PORT/auth/traefik, and trustForwardHeader false: deploy/traefik/foregate.yaml',
  )
}
