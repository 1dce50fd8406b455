// From ingress-nginx (retired in March 2026): what its annotations say about the service that is asked. Who may come in, and at which
// provider, they do not say: the files of oauth2-proxy do, which may be given in the same run.
import { isRecord, type YamlPart } from '../config/yaml-file.ts'
import type { Draft } from './draft.ts'
import { itemsOf, placeOf, textOf, type Found } from './found.ts'
import { MigrationInputError, type Input } from './input.ts'
import { addPublicRules } from './public-rules.ts'
import { readAlpha } from './oauth2-proxy/alpha.ts'
import { readOAuth2Proxy } from './oauth2-proxy/read.ts'
import { addOptions, collect } from './oauth2-proxy/options.ts'

const PREFIX = /^(?:nginx\.ingress\.kubernetes\.io\/|global-)(?=.)/
const NAMES: Readonly<Record<string, string>> = {
  'auth-response-headers': '',
  'auth-cache-key': 'nginx would go on letting in for as long as it remembers, after a logout, too: leave it out',
  'auth-cache-duration': 'nginx would go on letting in for as long as it remembers, after a logout, too: leave it out',
  'auth-always-set-cookie': 'an answer that lets in sets no cookie',
  'auth-method': 'the subrequest is a GET; the method of the request itself is X-Original-Method',
  'auth-proxy-set-headers': 'X-Original-URL and X-Original-Method are all that is read',
  'auth-request-redirect': 'a login returns to where it began',
  'auth-signin-redirect-param': 'the parameter is rd',
  'auth-keepalive': 'needs nothing here',
  'auth-keepalive-share-vars': 'needs nothing here',
  'auth-keepalive-requests': 'needs nothing here',
  'auth-keepalive-timeout': 'needs nothing here',
}
/** Set on every answer. */
const ALWAYS = new Set([
  'x-auth-request-user',
  'x-auth-request-email',
  'x-auth-request-groups',
  'x-auth-request-preferred-username',
  'x-forwarded-user',
])

interface Guarded {
  readonly annotations: readonly Found[]
  readonly hosts: readonly string[]
}

export function migrateIngress(draft: Draft, inputs: readonly Input[]): void {
  const guarded = inputs.flatMap((input) =>
    input.form === 'yaml' ? input.parts.flatMap((part) => guardedIn(part, input.file)) : [],
  )
  if (!guarded.some(({ annotations }) => annotations.some(({ name }) => name.endsWith('auth-url')))) {
    throw new MigrationInputError(
      `${inputs.map(({ file }) => file).join(', ')}: no annotation nginx.ingress.kubernetes.io/auth-url, and no global-auth-url, is in it`,
    )
  }
  withOAuth2Proxy(draft, inputs)
  draft.set('forwardAuth.oauth2ProxyDialect', 'ingress-nginx', 'auth-url')
  for (const { annotations } of guarded) for (const found of annotations) annotation(draft, found)
  signIn(draft, guarded)
  draft.next(
    'annotations: auth-url becomes http://foregate.NAMESPACE.svc.cluster.local:4180/auth/nginx, auth-signin https://YOUR-HOST/oauth2/start?rd=$escaped_request_uri, with a route of /oauth2 to foregate on that host',
  )
  draft.next(
    'ingress-nginx gets no more repairs since March 2026: deploy/nginx, deploy/traefik and deploy/kubernetes are for those who move on; a Gateway with external authorization asks at /auth/envoy',
  )
}

/** Without them the door stays shut: an address of a service says nothing about people. */
function withOAuth2Proxy(draft: Draft, inputs: readonly Input[]): void {
  try {
    const source = readOAuth2Proxy(inputs)
    const alpha = readAlpha(source.alpha)
    const collected = collect(draft, [...source.found, ...alpha.found])
    alpha.upstreams(draft)
    addOptions(collected, source)
    alpha.rest(draft)
  } catch (error) {
    if (!(error instanceof MigrationInputError) || !error.message.includes('nothing of')) throw error
    draft.set('providerURL', draft.variable('PROVIDER_URL', 'the issuer of your provider', 'url'))
    draft.set('clientID', draft.variable('CLIENT_ID', 'this client’s id at the provider', 'text'))
    draft.set('clientSecret', draft.variable('CLIENT_SECRET', 'the client’s secret at the provider', 'secret'))
    draft.propose('trustedProxies', ' The addresses of the proxies in front:', 'trustedProxies: [10.0.0.0/8]')
    draft.shut('annotations do not say who may come in')
    draft.note(
      { name: 'the service that was asked', place: 'not in these files' },
      'decide',
      'allowedUserDomains',
      'give its files (flags, variables, configuration) in the same run; annotations do not say who may come in, nor at which provider, nor which addresses the controller has (trustedProxies)',
    )
  }
}

function guardedIn({ tree, lineOf }: YamlPart, file: string): readonly Guarded[] {
  const documents: readonly (readonly [unknown, readonly (string | number)[]])[] =
    isRecord(tree) && Array.isArray(tree['items'])
      ? tree['items'].map((item: unknown, index) => [item, ['items', index]] as const)
      : [[tree, []]]
  return documents.flatMap(([document, at]) => {
    if (!isRecord(document)) return []
    const metadata = isRecord(document['metadata']) ? document['metadata'] : {}
    const isConfig = document['kind'] === 'ConfigMap' && isRecord(document['data'])
    // Also Helm values: ingress: { annotations: … }.
    const inValues =
      isRecord(document['ingress']) && isRecord(document['ingress']['annotations'])
        ? document['ingress']['annotations']
        : undefined
    const source = isConfig
      ? (document['data'] as Record<string, unknown>)
      : (inValues ?? (isRecord(metadata['annotations']) ? metadata['annotations'] : {}))
    const where = isConfig
      ? ['data']
      : inValues === undefined
        ? ['metadata', 'annotations']
        : ['ingress', 'annotations']
    const annotations = Object.entries(source).flatMap(([name, value]): Found[] =>
      PREFIX.test(name) || name === 'no-auth-locations'
        ? [{ name, value, place: placeOf(file, lineOf([...at, ...where, name])), rank: 'file' }]
        : [],
    )
    const spec = isRecord(document['spec']) ? document['spec'] : {}
    const rules = Array.isArray(spec['rules']) ? (spec['rules'] as readonly unknown[]) : []
    const hosts = rules.flatMap((rule) => (isRecord(rule) ? (textOf(rule['host']) ?? []) : []))
    return annotations.some(({ name }) => /auth/.test(name)) ? [{ annotations, hosts }] : []
  })
}

function annotation(draft: Draft, found: Found): void {
  const name = found.name.replace(PREFIX, '')
  const value = textOf(found.value) ?? ''
  if (name === 'auth-url') return authURL(draft, found, value)
  if (name === 'auth-signin') return
  if (name === 'auth-response-headers') return responseHeaders(draft, found)
  if (name === 'no-auth-locations') {
    for (const item of itemsOf(found.value))
      addPublicRules(draft, found, [{ paths: [{ text: item, isOpen: true }] }], {
        words: `${JSON.stringify(item)}: `,
        narrowing: 'changed',
      })
    return
  }
  if (name === 'enable-global-auth')
    return draft.note(
      found,
      'decide',
      'rules',
      'whatever asks nobody there is no business of this service; where its proxy asks for all hosts, write a public rule for this one',
    )
  if (name.endsWith('snippet')) {
    if (/auth|Upgrade|X-Original|X-Forwarded|proxy_set_header/i.test(value))
      draft.note(
        found,
        'decide',
        undefined,
        'is configuration of nginx: what it sets for the subrequest or the application belongs into deploy/nginx/foregate.conf, whose lines say which header comes from where',
      )
    return
  }
  if (/^auth-(?:type|secret|realm|secret-type)$/.test(name))
    return draft.note(
      found,
      'decide',
      undefined,
      'asks for passwords of its own, or for a client’s certificate: that is nginx’s, and stays there',
    )
  if (name.startsWith('auth-tls'))
    return draft.note(found, 'dropped', undefined, 'a client’s certificate is checked by nginx, and stays there')
  const note = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined
  if (note !== undefined) draft.note(found, 'dropped', undefined, note)
  else if (name.startsWith('auth-'))
    draft.note(found, 'decide', undefined, 'an annotation about authentication that is not known here')
}

function authURL(draft: Draft, found: Found, value: string): void {
  const [, path = '', query = ''] = /^\w+:\/\/[^/]*(\/[^?]*)?(?:\?(.*))?$/.exec(value) ?? []
  const isOurs = path.endsWith('/oauth2/auth')
  if (!isOurs) {
    return draft.note(
      found,
      'decide',
      undefined,
      'asks another kind of service (its path is not /oauth2/auth): the address becomes /auth/nginx of this one, and its rules are not carried over',
    )
  }
  const parameters = [...new URLSearchParams(query.replaceAll('&amp;', '&')).keys()]
  const unknown = parameters.filter(
    (name) => !['allowed_groups', 'allowed_emails', 'allowed_email_domains'].includes(name),
  )
  if (unknown.length > 0)
    return draft.note(
      found,
      'decide',
      undefined,
      'has parameters that nothing here reads; allowed_groups, allowed_emails and allowed_email_domains are read',
    )
  draft.note(
    found,
    'kept',
    'forwardAuth.oauth2ProxyDialect',
    parameters.length > 0
      ? `${parameters.join(', ')} are read at /oauth2/auth as before: leave them there, or write rules`
      : 'the same path answers; the name of the service changes',
  )
}

function responseHeaders(draft: Draft, found: Found): void {
  const names = itemsOf(found.value).map((name) => name.toLowerCase())
  const configured = draft.get('headers')
  const own = new Set(
    Array.isArray(configured)
      ? configured.flatMap((header: unknown) => (isRecord(header) ? String(header['name']).toLowerCase() : []))
      : [],
  )
  const others = names.filter((name) => !ALWAYS.has(name) && !own.has(name))
  const isToken = others.some((name) => name === 'authorization' || /token/.test(name))
  if (others.length === 0) return draft.note(found, 'kept', undefined, 'these are on every answer')
  draft.note(
    found,
    'decide',
    'headers',
    `${others.join(', ')}: set only where headers[] says with what${isToken ? '; tokens are given at /auth/nginx, never at /oauth2/auth' : ''}${names.includes('set-cookie') ? '; an answer that lets in sets no cookie' : ''}`,
  )
}

function signIn(draft: Draft, guarded: readonly Guarded[]): void {
  for (const { annotations, hosts } of guarded) {
    const found = annotations.find(({ name }) => name.endsWith('auth-signin'))
    if (found === undefined) continue
    const host = /^https?:\/\/([a-z0-9.-]+)/i.exec(textOf(found.value) ?? '')?.[1]
    const others = hosts.filter((one) => one !== host)
    if (host === undefined || others.length === 0) {
      draft.note(found, 'kept', undefined, 'each host has its own login: route /oauth2 of it to this service')
      continue
    }
    const domain = commonDomain([host, ...others])
    if (domain === undefined) {
      draft.note(
        found,
        'decide',
        'cookieDomain',
        'the login is on a host that shares no domain with the application: no cookie is sent to both',
      )
      continue
    }
    if (draft.get('publicURL') === undefined) draft.set('publicURL', `https://${host}`, found.name)
    if (draft.get('cookieDomain') === undefined)
      draft.set('cookieDomain', domain, `${found.name}: one login for the hosts under it`)
    draft.note(found, 'kept', 'publicURL')
  }
}

/** At least two names of it: `com` is everybody's. */
function commonDomain(hosts: readonly string[]): string | undefined {
  const [first = '', ...rest] = hosts.map((host) => host.toLowerCase().split('.').toReversed().join('.'))
  const parts = first.split('.')
  let length = parts.length
  while (length > 0 && !rest.every((host) => `${host}.`.startsWith(`${parts.slice(0, length).join('.')}.`))) length -= 1
  return length >= 2 ? parts.slice(0, length).toReversed().join('.') : undefined
}
