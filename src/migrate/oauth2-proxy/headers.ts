// What oauth2-proxy tells the application, or the proxy that asks.
import { oauth2ProxyMove } from '../../config/moving.ts'
import { type Found, isOn, textOf } from '../found.ts'
import type { Options } from './options.ts'

/** `isAlpha`: then no header is set that is not written there. */
export function addHeaders({ draft, take, peek }: Options, isAlpha: boolean): void {
  const headers: { name: string; template: string }[] = []
  const isProxy = draft.get('upstreams') !== undefined
  const add = (
    name: string,
    found: Found | undefined,
    list: readonly (readonly [string, string])[],
    note?: string,
  ): void => {
    if (found === undefined) return
    const isWanted = isOn(found.value)
    if (isWanted)
      for (const [header, template] of list)
        if (!headers.some((one) => one.name === header)) headers.push({ name: header, template })
    draft.note(
      found,
      isWanted && note !== undefined ? 'changed' : 'kept',
      isWanted && list.length > 0 ? 'headers' : undefined,
      isWanted ? (note ?? oauth2ProxyMove(name)?.note) : 'off, as here',
    )
  }
  const access = take('pass_access_token')
  add(
    'pass_access_token',
    access,
    [[isProxy ? 'X-Forwarded-Access-Token' : 'X-Auth-Request-Access-Token', '{{.AccessToken}}']],
    'never given to /oauth2/auth, whose answers a script can read: ask at /auth/…',
  )
  for (const name of ['set_authorization_header', 'pass_authorization_header']) {
    const found = take(name)
    const isForProxy = name === 'pass_authorization_header'
    if (found !== undefined && isOn(found.value) && isForProxy !== isProxy)
      draft.note(
        found,
        'dropped',
        undefined,
        isForProxy ? 'nothing is passed on where this service is only asked' : 'means nothing in reverse-proxy mode',
      )
    else
      add(
        name,
        found,
        [['Authorization', 'Bearer {{.IDToken}}']],
        'never given to /oauth2/auth, whose answers a script can read: ask at /auth/…',
      )
  }
  const user = take('pass_user_headers')
  // On by default there, towards the applications behind it.
  if (isProxy && !isAlpha && (user === undefined || isOn(user.value))) {
    headers.push(
      { name: 'X-Forwarded-Email', template: '{{.Claims.email}}' },
      { name: 'X-Forwarded-Groups', template: `{{.Claims.${textOf(peek('oidc_groups_claim')?.value) ?? 'groups'}}}` },
      { name: 'X-Forwarded-Preferred-Username', template: '{{.Claims.preferred_username}}' },
    )
  }
  const prefer = take('prefer_email_to_user')
  const isAddress = prefer !== undefined && isOn(prefer.value)
  if (isProxy && !isAlpha && !isAddress)
    draft.note(
      user ?? { name: 'pass_user_headers', place: 'by its default' },
      'changed',
      'headers',
      'X-Forwarded-User is the address here (userIdentifierClaim), and the claim sub there',
    )
  else if (user !== undefined) draft.note(user, 'kept', isProxy ? 'headers' : undefined)
  add('set_xauthrequest', take('set_xauthrequest'), [])
  if (prefer !== undefined)
    draft.note(prefer, 'kept', undefined, 'X-Forwarded-User is the address unless userIdentifierClaim says otherwise')
  if (headers.length > 0) draft.set('headers', headers, 'pass_*, set_*')
}
