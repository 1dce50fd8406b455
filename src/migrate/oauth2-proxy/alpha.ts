// oauth2-proxy's alpha configuration: most of it is an option under another name; applications and injected headers are not.
import { isRecord } from '../../config/yaml-file.ts'
import type { Path } from '../../config/problems.ts'
import type { Draft } from '../draft.ts'
import { placeOf, textOf, type Found } from '../found.ts'
import type { AlphaPart } from './read.ts'

/** Path (in lower case, `*` a position) -> the option's name in its other configuration. */
const NAMES: Readonly<Record<string, string>> = {
  'server.bindaddress': 'http_address',
  'server.securebindaddress': 'https_address',
  'metricsserver.bindaddress': 'metrics_address',
  'metricsserver.securebindaddress': 'metrics_secure_address',
  'providers.0.provider': 'provider',
  'providers.0.id': 'provider_display_name',
  'providers.0.name': 'provider_display_name',
  'providers.0.clientid': 'client_id',
  'providers.0.clientsecret': 'client_secret',
  'providers.0.clientsecretfile': 'client_secret_file',
  'providers.0.cafiles': 'provider_ca_file',
  'providers.0.usesystemtruststore': 'use_system_trust_store',
  'providers.0.loginurl': 'login_url',
  'providers.0.redeemurl': 'redeem_url',
  'providers.0.profileurl': 'profile_url',
  'providers.0.validateurl': 'validate_url',
  'providers.0.skipclaimsfromprofileurl': 'skip_claims_from_profile_url',
  'providers.0.resource': 'resource',
  'providers.0.scope': 'scope',
  'providers.0.allowedgroups': 'allowed_group',
  'providers.0.code_challenge_method': 'code_challenge_method',
  'providers.0.backendlogouturl': 'backend_logout_url',
  'providers.0.authrequestresponsemode': 'auth_request_response_mode',
  'providers.0.oidcconfig.issuerurl': 'oidc_issuer_url',
  'providers.0.oidcconfig.insecureallowunverifiedemail': 'insecure_oidc_allow_unverified_email',
  'providers.0.oidcconfig.insecureskipissuerverification': 'insecure_oidc_skip_issuer_verification',
  'providers.0.oidcconfig.insecureskipnonce': 'insecure_oidc_skip_nonce',
  'providers.0.oidcconfig.skipdiscovery': 'skip_oidc_discovery',
  'providers.0.oidcconfig.jwksurl': 'oidc_jwks_url',
  'providers.0.oidcconfig.publickeyfiles': 'oidc_public_key_file',
  'providers.0.oidcconfig.emailclaim': 'oidc_email_claim',
  'providers.0.oidcconfig.groupsclaim': 'oidc_groups_claim',
  'providers.0.oidcconfig.useridclaim': 'user_id_claim',
  'providers.0.oidcconfig.audienceclaims': 'oidc_audience_claim',
  'providers.0.oidcconfig.extraaudiences': 'oidc_extra_audience',
  'providers.0.oidcconfig.enabledsigningalgs': 'oidc_enabled_signing_alg',
  'providers.0.keycloakconfig.groups': 'keycloak_group',
  'providers.0.keycloakconfig.roles': 'allowed_role',
  'providers.0.azureconfig.tenant': 'azure_tenant',
  'providers.0.azureconfig.graphgroupfield': 'azure_graph_group_field',
  'providers.0.microsoftentraidconfig.allowedtenants': 'entra_id_allowed_tenant',
  'providers.0.microsoftentraidconfig.federatedtokenauth': 'entra_id_federated_token_auth',
  'providers.0.githubconfig.org': 'github_org',
  'providers.0.githubconfig.team': 'github_team',
  'providers.0.githubconfig.repo': 'github_repo',
  'providers.0.githubconfig.users': 'github_user',
  'providers.0.githubconfig.token': 'github_token',
  'providers.0.gitlabconfig.group': 'gitlab_group',
  'providers.0.gitlabconfig.projects': 'gitlab_project',
  'providers.0.googleconfig.group': 'google_group',
  'providers.0.googleconfig.adminemail': 'google_admin_email',
  'providers.0.googleconfig.serviceaccountjson': 'google_service_account_json',
  'providers.0.bitbucketconfig.team': 'bitbucket_team',
  'providers.0.bitbucketconfig.repository': 'bitbucket_repository',
  'providers.0.logingovconfig.jwtkey': 'jwt_key',
  'providers.0.logingovconfig.jwtkeyfile': 'jwt_key_file',
  'providers.0.logingovconfig.pubjwkurl': 'pubjwk_url',
  'cookie.name': 'cookie_name',
  'cookie.secret': 'cookie_secret',
  'cookie.secretfile': 'cookie_secret_file',
  'cookie.domains': 'cookie_domain',
  'cookie.path': 'cookie_path',
  'cookie.expire': 'cookie_expire',
  'cookie.refresh': 'cookie_refresh',
  'cookie.secure': 'cookie_secure',
  'cookie.httponly': 'cookie_httponly',
  'cookie.samesite': 'cookie_samesite',
}

export interface AlphaSplit {
  /** Options under their other names. */
  readonly found: readonly Found[]
  /** To be called once it is known whether applications are behind this service. */
  readonly rest: (draft: Draft) => void
  readonly upstreams: (draft: Draft) => void
}

export function readAlpha(parts: readonly AlphaPart[]): AlphaSplit {
  const found: Found[] = []
  const unknown: Found[] = []
  const special = (key: string): readonly AlphaPart[] => parts.filter((part) => part.key.toLowerCase() === key)

  for (const part of parts) {
    if (/^(?:upstreamconfig|upstreams|injectrequestheaders|injectresponseheaders)$/i.test(part.key)) continue
    walk(part, part.value, [])
  }
  return {
    found,
    upstreams: (draft) => {
      for (const part of [...special('upstreamconfig'), ...special('upstreams')]) addUpstreams(draft, part)
    },
    rest: (draft) => {
      for (const one of unknown) draft.note(one, 'decide', undefined, 'has no counterpart that is known here')
      const isProxy = draft.get('upstreams') !== undefined
      const headers = [
        ...special('injectrequestheaders').map((part) => addHeaders(draft, part, isProxy)),
        ...special('injectresponseheaders').map((part) => addHeaders(draft, part, !isProxy)),
      ].flat()
      const known = draft.get('headers')
      const names = new Set(headers.map(({ name = '' }) => name.toLowerCase()))
      const others = Array.isArray(known)
        ? known.filter((header: unknown) => !isRecord(header) || !names.has(String(header['name']).toLowerCase()))
        : []
      if (headers.length > 0)
        draft.set('headers', [...others, ...headers], 'injectRequestHeaders, injectResponseHeaders')
    },
  }

  function walk(part: AlphaPart, value: unknown, at: Path): void {
    const name = [part.key, ...at].join('.')
    const option = Object.hasOwn(NAMES, name.toLowerCase()) ? NAMES[name.toLowerCase()] : undefined
    const one = { name, value, place: placeOf(part.file, part.lineOf(at)), rank: 'flag' } as const
    if (option !== undefined) found.push({ ...one, name: option })
    // Only the first counts there, whatever its documentation hopes.
    else if (at.length === 1 && at[0] === 1 && part.key.toLowerCase() === 'providers')
      unknown.push({ ...one, name: 'providers[1]' })
    else if (at.length === 1 && typeof at[0] === 'number' && at[0] > 0) return
    else if (Array.isArray(value) && value.some(isRecord))
      for (const [index, item] of value.entries()) walk(part, item, [...at, index])
    else if (isRecord(value)) for (const [key, item] of Object.entries(value)) walk(part, item, [...at, key])
    else if (!/additionalclaims$/i.test(name)) unknown.push(one)
  }
}

function addUpstreams(draft: Draft, part: AlphaPart): void {
  const { at, list } = Array.isArray(part.value)
    ? { at: [], list: part.value as readonly unknown[] }
    : isRecord(part.value) && Array.isArray(part.value['upstreams'])
      ? { at: ['upstreams'], list: part.value['upstreams'] as readonly unknown[] }
      : { at: [], list: [] }
  const upstreams: Record<string, unknown>[] = []
  for (const [index, item] of list.entries()) {
    if (!isRecord(item)) continue
    const values = new Map(Object.entries(item).map(([key, value]) => [key.toLowerCase(), value]))
    const found = { name: `upstreams[${index}]`, place: placeOf(part.file, part.lineOf([...at, index])) }
    const url = draft.text(textOf(values.get('uri')) ?? '', found.name)
    const path = draft.text(textOf(values.get('path')) ?? '/', found.name)
    if (/^https?:\/\/[^/?#]*@/.test(url))
      draft.note(found, 'decide', 'upstreams', 'an address with a password in it is none here, and is left out')
    else if (values.get('static') === true || url.startsWith('static:'))
      draft.note(
        found,
        'changed',
        undefined,
        'a static answer needs nothing: a forwardAuth asks at /auth (or at /, as before)',
      )
    else if (!/^https?:\/\//.test(url))
      draft.note(
        found,
        'decide',
        'upstreams',
        'files and sockets are no applications here: put a web server in front of them',
      )
    else if (values.get('rewritetarget') !== undefined || /[\^$()*?[\]\\]/.test(path))
      draft.note(
        found,
        'decide',
        'upstreams',
        'paths are prefixes here, and are passed on as they are: a rewrite is the web server’s',
      )
    else {
      const passes = values.get('passhostheader') !== false
      upstreams.push({
        ...(path !== '/' && { path: path.replace(/\/$/, '') }),
        url: url.replace(/\/$/, ''),
        ...(!passes && { passHost: false }),
      })
      const skips = values.get('insecureskiptlsverify') === true
      draft.note(
        found,
        skips ? 'changed' : 'kept',
        'upstreams',
        skips ? 'its certificate is checked here: caFile names a private CA' : undefined,
      )
    }
  }
  if (upstreams.length > 0) draft.set('upstreams', upstreams, 'upstreamConfig')
}

const TEMPLATES: Readonly<Record<string, string | undefined>> = {
  access_token: '{{.AccessToken}}',
  id_token: '{{.IDToken}}',
  user: '{{.Claims.sub}}',
}

/** `isUsed`: request headers where applications are behind this service, response headers where a proxy asks it. */
function addHeaders(draft: Draft, part: AlphaPart, isUsed: boolean): readonly Record<string, string>[] {
  const list = Array.isArray(part.value) ? (part.value as readonly unknown[]) : []
  return list.flatMap((item, index): Record<string, string>[] => {
    if (!isRecord(item)) return []
    const name = textOf(item['name']) ?? ''
    const found = { name: `${part.key}[${index}]`, place: placeOf(part.file, part.lineOf([index])) }
    if (!isUsed) {
      draft.note(
        found,
        'dropped',
        undefined,
        'goes to the other side: request headers are for applications behind this service, response headers for a proxy that asks it',
      )
      return []
    }
    const values = Array.isArray(item['values']) ? (item['values'] as readonly unknown[]) : []
    const templates = values.map((value) => templateOf(draft, value, name))
    if (templates.includes(undefined) || templates.length === 0 || item['preserveRequestValue'] === true) {
      const why =
        item['preserveRequestValue'] === true
          ? 'what a client sends under that name never passes'
          : 'only claims and tokens can be passed on, and secrets from the environment'
      draft.note(found, 'decide', 'headers', why)
      return []
    }
    draft.note(found, 'kept', 'headers')
    return [{ name, template: templates.join(',') }]
  })
}

function templateOf(draft: Draft, value: unknown, header: string): string | undefined {
  if (!isRecord(value)) return undefined
  const source = isRecord(value['claimSource']) ? value['claimSource'] : value
  const secret = isRecord(value['secretSource']) ? value['secretSource'] : value
  const claim = textOf(source['claim'])
  if (claim !== undefined) {
    if (source['basicAuthPassword'] !== undefined || /^(?:refresh_token|created_at|expires_on)$/.test(claim))
      return undefined
    const own = Object.hasOwn(TEMPLATES, claim) ? TEMPLATES[claim] : undefined
    const template = own ?? (/^[\w:-]+(?:\.[\w:-]+)*$/.test(claim) ? `{{.Claims.${claim}}}` : undefined)
    // With its space: `Bearer `.
    const prefix = typeof source['prefix'] === 'string' ? draft.text(source['prefix'], header) : ''
    return template === undefined ? undefined : `${prefix}${template}`
  }
  if (textOf(secret['fromFile']) !== undefined) return undefined
  const fromEnv = textOf(secret['fromEnv'])
  const variable = fromEnv ?? `HEADER_${header.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`
  const isGiven = fromEnv !== undefined || secret['value'] !== undefined
  return isGiven && /^[A-Za-z_]\w*$/.test(variable)
    ? draft.variable(variable, `the text of ${header}${fromEnv === undefined ? ', not in base64' : ''}`, 'text')
    : undefined
}
