// Addresses: where oauth2-proxy listens, who may stand in front of it, what is behind it, where its own pages are.
import { setAddress, setHosts, setPublicURL } from '../shared-settings.ts'
import type { Draft } from '../draft.ts'
import { type Found, isOn, itemsOf, textOf } from '../found.ts'
import type { Options } from './options.ts'
import type { OAuth2ProxyInput } from './read.ts'

export function addPlaces(
  { draft, take, peek }: Options,
  { isCompose, isContainer, asksFrom }: OAuth2ProxyInput,
): void {
  const prefix = take('proxy_prefix')
  if (prefix !== undefined) {
    draft.set('pathPrefix', `/${(textOf(prefix.value) ?? '').replace(/^\/+|\/+$/g, '')}`, prefix.name)
    draft.note(prefix, 'kept', 'pathPrefix')
  }
  const http = take('http_address')
  if (http !== undefined) setAddress(draft, http, 'listen')
  else if (!isContainer) draft.set('listen', '127.0.0.1:4180', 'http_address, by its default there')
  const metrics = take('metrics_address')
  if (metrics !== undefined) setAddress(draft, metrics, 'metrics.listen')
  const redirect = take('redirect_url') ?? take('relative_redirect_url')
  if (redirect !== undefined) setPublicURL(draft, redirect)
  const whitelist = take('whitelist_domain')
  if (whitelist !== undefined) setHosts(draft, whitelist)
  const upstream = take('upstream')
  const passHost = take('pass_host_header')
  const isPassed = passHost === undefined || isOn(passHost.value)
  if (upstream !== undefined) upstreams(draft, upstream, isPassed)
  if (passHost !== undefined)
    draft.note(
      passHost,
      'kept',
      draft.get('upstreams') === undefined ? undefined : 'upstreams',
      isPassed ? undefined : 'as passHost of each',
    )
  const isProxy = draft.get('upstreams') !== undefined
  const reverse = take('reverse_proxy')
  const trusted = take('trusted_proxy_ip')
  if (trusted !== undefined) {
    draft.set('trustedProxies', itemsOf(trusted.value), trusted.name)
    draft.note(trusted, 'kept', 'trustedProxies')
    if (reverse !== undefined) draft.note(reverse, 'kept', 'trustedProxies')
  } else if ((reverse !== undefined && isOn(reverse.value)) || !isProxy) {
    const note = reverse ?? { name: 'reverse_proxy', place: 'by its default' }
    if (isCompose) {
      draft.set(
        'trustedProxies',
        ['172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8'],
        'the networks of Compose; name the proxy’s own address, if it has one',
      )
      draft.note(
        note,
        'changed',
        'trustedProxies',
        'everybody’s forwarded headers counted there; here those of private networks, where Compose puts its containers. Name the proxy alone, if you can',
      )
    } else {
      draft.propose('trustedProxies', ' The addresses of the proxies in front:', 'trustedProxies: [10.0.0.0/8]')
      draft.note(
        note,
        'decide',
        'trustedProxies',
        'everybody’s forwarded headers counted there; here only those of the proxies that you name, and of nobody else: without it a proxy on another machine gets 403',
      )
    }
  } else if (reverse !== undefined)
    draft.note(reverse, 'kept', undefined, 'off: forwarded headers count from trustedProxies only')
  if (asksFrom !== undefined) draft.set('forwardAuth.oauth2ProxyDialect', asksFrom, 'the annotations of ingress-nginx')
  if (!isProxy) {
    draft.next(
      'the proxy in front asks this service at the same paths as before (/oauth2/auth, /oauth2/start, /oauth2/sign_in), or better at /auth/traefik, /auth/nginx and so on: deploy/ has a file for each',
    )
  }
  const logo = take('custom_sign_in_logo')
  const picture = textOf(logo?.value)
  if (logo !== undefined) {
    const isAddress = picture !== undefined && /^(?:https:|data:image)/.test(picture)
    if (isAddress) draft.set('pages.logo', draft.text(picture, logo.name), logo.name)
    draft.note(
      logo,
      isAddress ? 'kept' : 'dropped',
      isAddress ? 'pages.logo' : undefined,
      isAddress ? undefined : 'pages.logo is an https address or a data: URI',
    )
  }
  const button = take('skip_provider_button')
  if (button !== undefined) {
    if (isOn(button.value)) draft.set('pages.skipSignIn', true, button.name)
    draft.note(button, 'kept', 'pages.skipSignIn')
  }
  if (
    peek('proxy_prefix') === undefined &&
    asksFrom === undefined &&
    !isProxy &&
    (peek('skip_auth_route') ?? peek('skip_auth_regex')) !== undefined
  ) {
    draft.propose(
      'forwardAuth',
      ' Whose recipe asks at /oauth2/auth: nginx, ingress-nginx, traefik or caddy.',
      'forwardAuth:',
      '  oauth2ProxyDialect: nginx',
    )
    draft.note(
      { name: 'skip_auth_*', place: 'config' },
      'decide',
      'forwardAuth.oauth2ProxyDialect',
      'whose recipe asks at /oauth2/auth: nginx, ingress-nginx, traefik or caddy? Until it is said, that address makes nothing public; /auth/nginx and so on need no such option',
    )
  }
}

function upstreams(draft: Draft, found: Found, passHost: boolean): void {
  const list: Record<string, unknown>[] = []
  for (const written of itemsOf(found.value)) {
    const text = draft.text(written, found.name)
    if (text.startsWith('static://')) {
      draft.note(
        found,
        'changed',
        undefined,
        'static:// needs nothing: a forwardAuth asks at /auth (or at /, as before)',
      )
      continue
    }
    if (/^https?:\/\/[^/?#]*@/.test(text)) {
      draft.note(found, 'decide', 'upstreams', 'an address with a password in it is none here, and is left out')
      continue
    }
    const match = /^(https?:\/\/[^/?#]+)([^?#]*)/.exec(text)
    if (match === null || /^(?:file|unix):/.test(text)) {
      if (!/^file:\/\/\/dev\/null$/.test(text))
        draft.note(
          found,
          'decide',
          'upstreams',
          'files and sockets are no applications here: put a web server in front of them',
        )
      else draft.note(found, 'changed', undefined, 'file:///dev/null needs nothing: this service is only asked')
      continue
    }
    const [, url = '', path = ''] = match
    const place = path.replace(/\/$/, '')
    list.push({ ...(place !== '' && { path: place }), url, ...(!passHost && { passHost: false }) })
  }
  if (list.length === 0) return
  draft.set('upstreams', list, found.name)
  draft.note(found, 'kept', 'upstreams', 'a path holds for what is below it, too')
}
