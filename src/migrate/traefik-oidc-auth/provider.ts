// The provider, and how this client is known there.
import { traefikOidcAuth } from '../../config/moving-traefik-oidc-auth.ts'
import { setScopes, setText } from '../shared-settings.ts'
import type { Draft } from '../draft.ts'
import { isOn, itemsOf, textOf } from '../found.ts'
import { type Take, named } from './options.ts'

export function provider(draft: Draft, take: Take): void {
  const secret = take('secret')
  if (secret !== undefined) draft.note(secret, 'changed', 'sessionEncryptionKey', traefikOidcAuth.secret.note)
  const url = named(take, 'provider.url')
  if (url === undefined) {
    draft.set('providerURL', draft.variable('PROVIDER_URL', 'the issuer of your provider', 'url'))
    draft.note({ name: 'Provider.Url', place: 'missing' }, 'decide', 'providerURL', 'name it in PROVIDER_URL')
  } else {
    const text = draft.text(textOf(url.value) ?? '', url.name).replace(/\/\.well-known\/openid-configuration$/, '')
    const reference = /^\$\{(\w+)\}$/.exec(text)?.[1]
    draft.set('providerURL', reference === undefined ? text : draft.variable(reference, 'the issuer', 'url'), url.name)
    draft.note(
      url,
      'kept',
      'providerURL',
      'the issuer exactly as its discovery document says it, its slash at the end included',
    )
  }
  const id = named(take, 'provider.clientid')
  if (id === undefined) draft.set('clientID', draft.variable('CLIENT_ID', 'this client’s id', 'text'))
  else setText(draft, id, 'clientID')
  const clientSecret = named(take, 'provider.clientsecret')
  const key = take('provider.clientjwtprivatekey')
  const keyID = take('provider.clientjwtprivatekeyid')
  if (key !== undefined) {
    draft.set('clientAuthMethod', 'private_key_jwt', key.name)
    draft.set('clientAssertionPrivateKeyPath', '/run/secrets/client-key.pem', key.name)
    draft.file('/run/secrets/client-key.pem', 'private key')
    draft.note(key, 'changed', 'clientAssertionPrivateKeyPath', 'write the key into that file')
    if (keyID !== undefined) setText(draft, keyID, 'clientAssertionKeyID')
  } else if (clientSecret === undefined) draft.set('clientAuthMethod', 'none', 'without a secret')
  else draft.secret('clientSecret', clientSecret, 'the client’s secret at the provider')
  if (clientSecret !== undefined)
    draft.note(clientSecret, key === undefined ? 'kept' : 'dropped', key === undefined ? 'clientSecret' : undefined)
  const pkce = take('provider.usepkce')
  if (pkce !== undefined) draft.note(pkce, 'kept', 'enablePKCE', 'on by default')
  const skip = take('provider.insecureskipverify')
  if (skip !== undefined) {
    if (isOn(skip.value)) draft.set('insecureSkipVerify', true, skip.name)
    draft.note(skip, 'kept', 'insecureSkipVerify')
  }
  const file = take('provider.cabundlefile')
  if (file !== undefined) {
    draft.set('caCertPath', draft.text(textOf(file.value) ?? '', file.name), file.name)
    draft.file(textOf(file.value) ?? '', 'certificate')
    draft.note(file, 'kept', 'caCertPath')
  }
  const bundle = take('provider.cabundle')
  if (bundle !== undefined) {
    draft.set('caCertPath', '/etc/foregate/provider-ca.pem', bundle.name)
    draft.file('/etc/foregate/provider-ca.pem', 'certificate')
    draft.note(bundle, 'changed', 'caCertPath', 'write the certificates into that file, as PEM')
  }
  const audience = take('provider.validaudience')
  if (audience !== undefined)
    draft.note(
      audience,
      'decide',
      'audience',
      'the ID token must be for this client; strictAudienceValidation with audience is about the access token',
    )
  const tokens = take('provider.tokenvalidation')
  if (tokens !== undefined) {
    const isAccess = textOf(tokens.value)?.toLowerCase() === 'accesstoken'
    if (isAccess) draft.set('claimsFrom', ['idToken', 'userinfo', 'accessToken'], tokens.name)
    draft.note(
      tokens,
      isAccess ? 'changed' : 'dropped',
      isAccess ? 'claimsFrom' : undefined,
      isAccess
        ? 'claims of the ID token come first, those of the access token complete them'
        : traefikOidcAuth['provider.tokenvalidation'].note,
    )
  }
  const scopes = take('scopes')
  if (scopes !== undefined) setScopes(draft, scopes, itemsOf(scopes.value))
}
