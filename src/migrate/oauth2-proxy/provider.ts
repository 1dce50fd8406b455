// oauth2-proxy's providers, and what stands for each: an OpenID provider by its issuer. Those that are none need one in front.
import { oauth2ProxyMove } from '../../config/moving.ts'
import { Elsewhere, type Found, isOn, itemsOf, textOf } from '../found.ts'
import { setScopes, setText } from '../shared-settings.ts'
import type { Options } from './options.ts'

const ISSUERS: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  gitlab: 'https://gitlab.com',
  linkedin: 'https://www.linkedin.com/oauth',
  'login.gov': 'https://secure.login.gov',
}

const NO_OIDC = new Set(['github', 'bitbucket', 'facebook', 'digitalocean', 'nextcloud', 'sourcehut', 'srht'])

export function addProvider(options: Options): void {
  const { draft, take, peek } = options
  const kind = take('provider')
  // Google's is the default there.
  const name = textOf(kind?.value)?.toLowerCase() ?? (peek('oidc_issuer_url') === undefined ? 'google' : 'oidc')
  const by = kind ?? { name: 'provider', place: 'by its default' }
  setIssuer(options, name, by)
  if (name === 'google') {
    draft.set('extraAuthParams', { access_type: 'offline', prompt: 'consent' }, 'Google gives refresh tokens only so')
  }
  client(options)
  const scope = take('scope')
  if (scope !== undefined) setScopes(draft, scope, (textOf(scope.value) ?? '').split(/\s+/).filter(Boolean))
  for (const [option, parameter] of [
    ['prompt', 'prompt'],
    ['approval_prompt', 'prompt'],
    ['acr_values', 'acr_values'],
  ] as const) {
    const found = take(option)
    if (found === undefined) continue
    const value = draft.text(textOf(found.value) ?? '', found.name)
    const known = draft.get('extraAuthParams')
    // `force` and `auto` are OAuth 2.0 words of Google's from before OpenID Connect.
    if (value !== '' && !/^(?:force|auto)$/.test(value))
      draft.set('extraAuthParams', { ...(known as Record<string, string> | undefined), [parameter]: value }, found.name)
    draft.note(found, 'kept', 'extraAuthParams')
  }
  certificates(options)
  const challenge = take('code_challenge_method') ?? take('force_code_challenge_method')
  if (challenge !== undefined) {
    const isPlain = textOf(challenge.value) === 'plain'
    draft.note(challenge, isPlain ? 'changed' : 'kept', 'enablePKCE', isPlain ? 'S256 instead of plain' : undefined)
  }
  const audience = take('oidc_extra_audience')
  if (audience !== undefined)
    draft.note(
      audience,
      'dropped',
      undefined,
      'an ID token must be for this client; bearer.audiences is for tokens that others bring',
    )
  const resource = take('resource')
  if (resource !== undefined) setText(draft, resource, 'resource')
  const profile = take('skip_claims_from_profile_url')
  if (profile !== undefined) {
    if (isOn(profile.value)) draft.set('claimsFrom', ['idToken'], profile.name)
    draft.note(profile, 'kept', 'claimsFrom')
  }
  const issuerCheck = take('insecure_oidc_skip_issuer_verification')
  if (issuerCheck !== undefined)
    draft.note(
      issuerCheck,
      isOn(issuerCheck.value) ? 'decide' : 'kept',
      'providerURL',
      isOn(issuerCheck.value)
        ? 'the issuer is always checked: with Entra ID name one tenant in providerURL'
        : undefined,
    )
  bearer(options)
}

function setIssuer({ draft, take, peek }: Options, name: string, by: Pick<Found, 'name' | 'place'>): void {
  const issuer = take('oidc_issuer_url')
  const tenant = take('azure_tenant')
  const written =
    issuer === undefined
      ? undefined
      : issuer.value instanceof Elsewhere
        ? draft.variable('PROVIDER_URL', `what ${issuer.name} was`, 'url')
        : textOf(issuer.value)
  const tenantName = textOf(tenant?.value)
  if (tenant !== undefined) draft.note(tenant, 'kept', 'providerURL')
  const derived = written ?? microsoft(name, tenantName) ?? fromLogin(textOf(peek('login_url')?.value)) ?? ISSUERS[name]
  if (derived !== undefined && !NO_OIDC.has(name)) {
    const url = draft.text(derived, issuer?.name ?? 'the issuer').replace(/\/\.well-known\/openid-configuration$/, '')
    draft.set('providerURL', url, issuer?.name ?? by.name)
    if (issuer !== undefined) draft.note(issuer, 'kept', 'providerURL')
    draft.note(by, 'kept', 'providerURL', issuer === undefined ? `${name} by its issuer` : undefined)
    if (url.startsWith('http://') && !/^http:\/\/(?:localhost|127\.|\[::1\])/.test(url))
      draft.set('allowInsecureProvider', true, 'the provider has no TLS: for tests only')
    if (/\/(?:common|organizations|consumers)\//.test(url))
      draft.note(issuer ?? by, 'decide', 'providerURL', 'stands for every tenant of Entra ID: name yours')
    return
  }
  draft.set('providerURL', draft.variable('PROVIDER_URL', 'the issuer of your OpenID provider', 'url'), by.name)
  const why = NO_OIDC.has(name)
    ? `${name} speaks OAuth 2.0 but no OpenID Connect: put a provider in front that does (Dex, Keycloak), and name its issuer in PROVIDER_URL`
    : name === 'entra-id' || name === 'azure'
      ? 'name your tenant: https://login.microsoftonline.com/TENANT/v2.0 in PROVIDER_URL'
      : 'its issuer is nowhere in these files: name it in PROVIDER_URL'
  draft.note(by, 'decide', 'providerURL', why)
  if (issuer !== undefined) draft.note(issuer, 'decide', 'providerURL', why)
}

function microsoft(name: string, tenant: string | undefined): string | undefined {
  const isMicrosoft = name === 'azure' || name === 'entra-id'
  const isOne = tenant !== undefined && !/^(?:common|organizations|consumers)$/.test(tenant)
  return isMicrosoft && isOne ? `https://login.microsoftonline.com/${tenant}/v2.0` : undefined
}

/** Keycloak's and GitLab's login addresses lie below their issuers. */
const fromLogin = (url: string | undefined): string | undefined =>
  /^(https?:\/\/.*\/realms\/[^/]+)\/protocol\//.exec(url ?? '')?.[1] ??
  /^(https?:\/\/[^/]+)\/oauth\/authorize$/.exec(url ?? '')?.[1]

function client({ draft, take }: Options): void {
  const id = take('client_id')
  if (id !== undefined && !(id.value instanceof Elsewhere)) {
    setText(draft, id, 'clientID')
  } else {
    draft.set('clientID', draft.variable('CLIENT_ID', 'this client’s id at the provider', 'text'), id?.name)
    if (id !== undefined) draft.note(id, 'kept', 'clientID')
  }
  const key = take('jwt_key')
  const keyFile = take('jwt_key_file')
  const secret = take('client_secret')
  const file = take('client_secret_file')
  if (key !== undefined || keyFile !== undefined) {
    draft.set('clientAuthMethod', 'private_key_jwt', 'jwt_key')
    if (keyFile !== undefined) {
      draft.set('clientAssertionPrivateKeyPath', textOf(keyFile.value) ?? '', keyFile.name)
      draft.file(textOf(keyFile.value) ?? '', 'private key')
      draft.note(keyFile, 'kept', 'clientAssertionPrivateKeyPath')
    } else if (key !== undefined) {
      draft.file('/run/secrets/client-key.pem', 'private key')
      draft.set('clientAssertionPrivateKeyPath', '/run/secrets/client-key.pem', key.name)
      draft.note(key, 'changed', 'clientAssertionPrivateKeyPath', 'write the key into that file')
    }
    if (secret !== undefined) draft.note(secret, 'dropped', undefined, 'the key stands for it')
    return
  }
  if (secret === undefined && file !== undefined) {
    const path = textOf(file.value) ?? ''
    draft.set('clientSecret', `file:${path}`, file.name)
    draft.file(path, 'secret')
    draft.note(file, 'kept', 'clientSecret')
    return
  }
  draft.secret(
    'clientSecret',
    secret ?? { name: 'client_secret', value: '', place: '', rank: 'file' },
    'the client’s secret at the provider',
  )
  if (secret !== undefined) draft.note(secret, 'kept', 'clientSecret')
}

function certificates({ draft, take }: Options): void {
  const ca = take('provider_ca_file')
  if (ca !== undefined) {
    const [first = '', ...more] = itemsOf(ca.value)
    draft.set('caCertPath', first, ca.name)
    draft.file(first, 'certificate')
    draft.note(
      ca,
      more.length > 0 ? 'decide' : 'kept',
      'caCertPath',
      more.length > 0 ? 'one file: put the certificates of the others into it' : undefined,
    )
  }
  const skip = take('ssl_insecure_skip_verify')
  if (skip === undefined) return
  if (isOn(skip.value)) draft.set('insecureSkipVerify', true, skip.name)
  draft.note(
    skip,
    'kept',
    'insecureSkipVerify',
    isOn(skip.value) ? 'for tests only: caCertPath names a private CA' : undefined,
  )
}

function bearer({ draft, take }: Options): void {
  const tokens = take('skip_jwt_bearer_tokens')
  const issuers = take('extra_jwt_issuers')
  if (tokens === undefined || !isOn(tokens.value)) {
    if (tokens !== undefined) draft.note(tokens, 'kept', undefined, 'off, as here')
    if (issuers !== undefined)
      draft.note(issuers, 'dropped', undefined, 'had no effect there without skip_jwt_bearer_tokens')
    return
  }
  draft.set('bearer.enabled', true, tokens.name)
  draft.set('bearer.audiences', [draft.get('clientID')])
  draft.note(tokens, 'changed', 'bearer.enabled', oauth2ProxyMove('skip_jwt_bearer_tokens')?.note)
  if (issuers === undefined) return
  const list = itemsOf(issuers.value).map((item) => {
    const at = item.lastIndexOf('=')
    return {
      issuer: draft.text(item.slice(0, at), issuers.name),
      audiences: [draft.text(item.slice(at + 1), issuers.name)],
    }
  })
  draft.set('bearer.issuers', list, issuers.name)
  draft.note(issuers, 'kept', 'bearer.issuers')
}
