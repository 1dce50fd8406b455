// From the Traefik plugin whose option names are ours (traefikoidc): its block, with what it does by itself written out.
import { ignoredOptions } from '../config/ignored.ts'
import { optionNames } from '../config/option-names.ts'
import { allOptions, optionShape } from '../config/schema.ts'
import { spelled } from '../config/spelling.ts'
import { nearest } from '../config/suggest.ts'
import { isRecord } from '../config/yaml-file.ts'
import { pluginBlock } from './blocks.ts'
import { setPublicURL, setText, setTrustedProxies } from './shared-settings.ts'
import type { Draft } from './draft.ts'
import { isOn, itemsOf, placeOf, textOf, type Found } from './found.ts'
import { headerFindings } from '../access/identity-headers.ts'
import type { Input } from './input.ts'
import { addPublicRules } from './public-rules.ts'

const SECRETS = new Set(allOptions.filter(({ info }) => info.secret === true).map(({ path }) => path.join('.')))
const isOption = (name: string): boolean => Object.hasOwn(optionShape, name)

export function migratePlugin(draft: Draft, inputs: readonly Input[]): void {
  const block = pluginBlock(inputs, 'traefikoidc', (plugin, tree) => {
    const keys = Object.keys(tree).map((key) => key.toLowerCase())
    if (plugin !== undefined) return !/oidc-?auth/i.test(plugin) && keys.some((key) => optionNames.has(key))
    return keys.includes('providerurl') || keys.includes('clientid')
  })
  const { tree, writtenPath } = spelled(block.tree)
  const options = new Map<string, Found>(
    Object.entries(tree).map(([name, value]) => [
      name,
      { name, value, place: placeOf(block.file, block.lineOf(writtenPath([name]))), rank: 'file' },
    ]),
  )
  const take = (name: string): Found | undefined => {
    const found = options.get(name)
    options.delete(name)
    return found
  }
  special(draft, take)
  for (const found of options.values()) other(draft, found)
  setTrustedProxies(draft, block.isCompose)
  draft.next(
    'in Traefik the plugin’s middleware becomes a forwardAuth middleware of the same name: deploy/traefik/foregate.yaml',
  )
}

function other(draft: Draft, found: Found): void {
  const { name, value } = found
  const ignored = Object.hasOwn(ignoredOptions, name) ? ignoredOptions[name as keyof typeof ignoredOptions] : undefined
  if (ignored !== undefined) return draft.note(found, 'dropped', undefined, ignored)
  if (!isOption(name)) {
    const near = nearest(name, Object.keys(optionShape))
    return draft.note(
      found,
      'decide',
      undefined,
      `no option of the plugin that is known here${near === undefined ? '' : `; the nearest is ${near}`}`,
    )
  }
  if (name === 'caCertPath' || name === 'clientAssertionPrivateKeyPath')
    draft.file(textOf(value) ?? '', name === 'caCertPath' ? 'certificate' : 'private key')
  member(draft, found, name, value)
  draft.note(found, 'kept', name)
}

/** Groups are opened: a secret may lie within. */
function member(draft: Draft, found: Found, path: string, value: unknown): void {
  if (isRecord(value) && path !== 'extraAuthParams') {
    for (const [key, inner] of Object.entries(value)) member(draft, found, `${path}.${key}`, inner)
    return
  }
  if (!SECRETS.has(path)) {
    draft.set(path, asOurs(draft, value, path), path.includes('.') ? undefined : found.name)
    return
  }
  const standIn = path === 'redis.url' ? 'redis' : path === 'clientAssertionPrivateKey' ? 'private key' : 'secret'
  draft.secret(path, { ...found, value }, `what ${path} was`, standIn)
}

function asOurs(draft: Draft, value: unknown, name: string): unknown {
  if (typeof value === 'string') return draft.text(value, name)
  if (Array.isArray(value)) return value.map((item: unknown) => asOurs(draft, item, name))
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asOurs(draft, inner, name)]))
  return value
}

function special(draft: Draft, take: (name: string) => Found | undefined): void {
  const url = take('providerURL')
  const issuer = draft
    .text(textOf(url?.value) ?? '', 'providerURL')
    .replace(/\/\.well-known\/openid-configuration$/, '')
  if (url === undefined || issuer === '') {
    draft.set('providerURL', draft.variable('PROVIDER_URL', 'the issuer of your provider', 'url'))
    draft.note(url ?? { name: 'providerURL', place: 'missing' }, 'decide', 'providerURL', 'name it in PROVIDER_URL')
  } else {
    const reference = /^\$\{(\w+)\}$/.exec(issuer)?.[1]
    draft.set(
      'providerURL',
      reference === undefined ? issuer : draft.variable(reference, 'the issuer', 'url'),
      url.name,
    )
    draft.note(url, 'kept', 'providerURL')
  }
  const id = take('clientID')
  if (id === undefined) draft.set('clientID', draft.variable('CLIENT_ID', 'this client’s id at the provider', 'text'))
  else setText(draft, id, 'clientID')
  const secret = take('clientSecret')
  if (secret !== undefined) {
    draft.secret('clientSecret', secret, 'the client’s secret at the provider')
    draft.note(secret, 'kept', 'clientSecret')
  }
  const key = take('sessionEncryptionKey')
  if (key !== undefined) {
    draft.secret('sessionEncryptionKey', key, 'the key, as before or a new one: openssl rand -base64 32', 'key')
    draft.note(
      key,
      'kept',
      'sessionEncryptionKey',
      'sessions of the plugin cannot be read all the same: everybody logs in once',
    )
  }
  const method = take('clientAuthMethod')
  if (secret === undefined && !/^(?:none|private_key_jwt)$/.test(textOf(method?.value) ?? '')) {
    draft.set('clientSecret', draft.variable('CLIENT_SECRET', 'the client’s secret at the provider', 'secret'))
    draft.note({ name: 'clientSecret', place: 'missing' }, 'decide', 'clientSecret', 'set it in CLIENT_SECRET')
  }
  draft.set(
    'clientAuthMethod',
    method === undefined ? 'client_secret_post' : draft.text(textOf(method.value) ?? '', method.name),
    method?.name ?? 'by its default there; client_secret_basic where the provider takes it',
  )
  if (method !== undefined) draft.note(method, 'kept', 'clientAuthMethod')
  scopes(draft, take, issuer)
  const callback = take('callbackURL')
  if (callback !== undefined) setPublicURL(draft, callback)
  const logout = take('logoutURL')
  const path = textOf(draft.get('callbackURL')) ?? '/oauth2/callback'
  draft.set(
    'logoutURL',
    logout === undefined ? `${path}/logout` : draft.text(textOf(logout.value) ?? '', logout.name),
    logout?.name ?? 'callbackURL + /logout, as by default there',
  )
  if (logout !== undefined) draft.note(logout, 'kept', 'logoutURL')
  const rate = take('rateLimit')
  if (rate !== undefined)
    draft.note(
      rate,
      'changed',
      'rateLimit',
      'left out: requests per second there, logins per minute and address here (300)',
    )
  const pkce = take('enablePKCE')
  if (pkce !== undefined)
    draft.note(
      pkce,
      isOn(pkce.value) ? 'kept' : 'changed',
      'enablePKCE',
      isOn(pkce.value) ? undefined : 'on: leave it on unless the provider refuses it',
    )
  headers(draft, take)
  const excluded = take('excludedURLs')
  if (excluded !== undefined) {
    for (const item of itemsOf(excluded.value)) {
      addPublicRules(draft, excluded, [{ paths: [{ text: draft.text(item, excluded.name), isOpen: true }] }], {
        words: `${JSON.stringify(item)}: `,
        narrowing: 'changed',
      })
    }
  }
}

function scopes(draft: Draft, take: (name: string) => Found | undefined, issuer: string): void {
  const found = take('scopes')
  const override = take('overrideScopes')
  const list = itemsOf(found?.value).map((item) => draft.text(item, 'scopes'))
  const isWhole = override !== undefined && isOn(override.value)
  const isGoogle = issuer.startsWith('https://accounts.google.com')
  if (isGoogle)
    draft.set(
      'extraAuthParams',
      { access_type: 'offline', prompt: 'consent' },
      'what the plugin does by itself with Google',
    )
  const all = isWhole || isGoogle || list.includes('offline_access') ? list : [...list, 'offline_access']
  if (all.length > 0)
    draft.set(
      'scopes',
      all,
      isWhole || all.length === list.length ? 'scopes' : 'scopes, and offline_access, which the plugin adds by itself',
    )
  if (isWhole) draft.set('overrideScopes', true, override.name)
  if (override !== undefined) draft.note(override, 'kept', 'overrideScopes')
  if (found !== undefined)
    draft.note(
      found,
      all.length === list.length ? 'kept' : 'changed',
      'scopes',
      all.length === list.length ? undefined : 'offline_access is written out',
    )
}

function headers(draft: Draft, take: (name: string) => Found | undefined): void {
  const found = take('headers')
  const list: { name: string; template: string }[] = []
  const items = Array.isArray(found?.value) ? (found.value as readonly unknown[]) : []
  for (const [index, item] of items.entries()) {
    if (!isRecord(item) || found === undefined) continue
    const name = textOf(item['name']) ?? ''
    const template = draft.text(textOf(item['value'] ?? item['template']) ?? '', 'headers')
    const [problem] = headerFindings({ headers: [{ name, template: template.replaceAll('$${', '${') }] })
    const one = { name: `headers[${index}]`, place: found.place }
    if (problem === undefined) {
      list.push({ name, template })
      draft.note(one, 'kept', 'headers')
    } else draft.note(one, 'decide', 'headers', `${name}: ${problem.message}`)
  }
  const minimal = take('minimalHeaders')
  const isMinimal = minimal !== undefined && isOn(minimal.value)
  if (minimal !== undefined)
    draft.note(
      minimal,
      isMinimal ? 'kept' : 'changed',
      'headers',
      isMinimal ? undefined : 'what it sets by itself is written out',
    )
  if (!isMinimal) {
    for (const [name, template] of [
      ['X-User-Groups', '{{.Claims.groups}}'],
      ['X-User-Roles', '{{.Claims.roles}}'],
    ] as const) {
      if (!list.some((one) => one.name.toLowerCase() === name.toLowerCase())) list.push({ name, template })
    }
    draft.propose('headers', '  - { name: X-Auth-Request-Token, template: "{{.IDToken}}" }')
    draft.note(
      { name: 'headers', place: 'by its default' },
      'changed',
      'headers',
      'X-User-Groups and X-User-Roles, which the plugin sets by itself, are written out; X-Auth-Request-Token, the ID token, is commented out: an application that reads it needs it',
    )
  }
  if (list.length > 0) draft.set('headers', list, 'headers, and what the plugin sets by itself')
}
