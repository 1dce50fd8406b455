// Google, or a provider by its issuer.
import { traefikForwardAuth } from '../../config/moving-traefik-forward-auth.ts'
import { isRecord } from '../../config/yaml-file.ts'
import { setScopes, setText } from '../shared-settings.ts'
import type { Draft } from '../draft.ts'
import { Elsewhere, itemsOf, textOf } from '../found.ts'
import type { Take } from './read.ts'

export function addProvider(draft: Draft, take: Take, isMesosphere: boolean): void {
  for (const name of ['secret', 'cookie-secret', 'encryption-key']) {
    const found = take(name)
    if (found !== undefined) draft.note(found, 'changed', 'sessionEncryptionKey', traefikForwardAuth.secret.note)
  }
  const chosen = take('default-provider')
  const kind = isMesosphere ? 'mesosphere' : (textOf(chosen?.value) ?? 'google')
  const prefix =
    { oidc: 'providers.oidc.', google: 'providers.google.', 'generic-oauth': 'providers.generic-oauth.' }[kind] ?? ''
  const issuer = take(isMesosphere ? 'provider-uri' : 'providers.oidc.issuer-url')
  const by = chosen ?? { name: 'default-provider', place: 'by its default' }
  if (kind === 'google') {
    draft.set('providerURL', 'https://accounts.google.com', by.name)
    draft.set('extraAuthParams', { access_type: 'offline', prompt: 'consent' }, 'Google gives refresh tokens only so')
    draft.note(by, 'kept', 'providerURL', 'Google by its issuer')
  } else if (issuer !== undefined && !(issuer.value instanceof Elsewhere)) {
    draft.set('providerURL', draft.text(textOf(issuer.value) ?? '', issuer.name), issuer.name)
    draft.note(issuer, 'kept', 'providerURL')
    if (chosen !== undefined) draft.note(chosen, 'kept', 'providerURL')
  } else {
    draft.set('providerURL', draft.variable('PROVIDER_URL', 'the issuer of your OpenID provider', 'url'), by.name)
    draft.note(
      issuer ?? by,
      'decide',
      'providerURL',
      kind === 'generic-oauth'
        ? traefikForwardAuth['providers.generic-oauth.auth-url'].note
        : 'name its issuer in PROVIDER_URL',
    )
  }
  const id = take(`${prefix}client-id`) ?? take('client-id')
  const isText = id !== undefined && !(id.value instanceof Elsewhere)
  draft.set(
    'clientID',
    isText
      ? draft.text(textOf(id.value) ?? '', id.name)
      : draft.variable('CLIENT_ID', 'this client’s id at the provider', 'text'),
    id?.name,
  )
  if (id !== undefined) draft.note(id, 'kept', 'clientID')
  const secret = take(`${prefix}client-secret`) ?? take('client-secret')
  draft.secret(
    'clientSecret',
    secret ?? { name: 'client-secret', value: '', place: '', rank: 'file' },
    'the client’s secret at the provider',
  )
  if (secret !== undefined) draft.note(secret, 'kept', 'clientSecret')
  const scope = take(`${prefix}scope`) ?? take('scope')
  if (scope !== undefined)
    setScopes(
      draft,
      scope,
      itemsOf(scope.value).flatMap((one) => one.split(/\s+/)),
    )
  const resource = take(`${prefix}resource`)
  if (resource !== undefined) setText(draft, resource, 'resource')
  const prompt = take('providers.google.prompt') ?? take('prompt')
  if (prompt !== undefined) {
    const known = draft.get('extraAuthParams')
    draft.set(
      'extraAuthParams',
      { ...(isRecord(known) ? known : {}), prompt: draft.text(textOf(prompt.value) ?? '', prompt.name) },
      prompt.name,
    )
    draft.note(prompt, 'kept', 'extraAuthParams')
  }
}
