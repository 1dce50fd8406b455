// What the application is told, what needs no login, and the rest.
import { headerFindings } from '../../access/identity-headers.ts'
import { isRecord } from '../../config/yaml-file.ts'
import type { Draft } from '../draft.ts'
import { type Found, itemsOf, textOf } from '../found.ts'
import { addPublicRules } from '../public-rules.ts'
import type { Take } from './options.ts'
import { parseTraefikRule } from '../traefik-rule.ts'

export function others(draft: Draft, take: Take): void {
  const level = take('loglevel')
  if (level !== undefined) {
    draft.set('logLevel', draft.text((textOf(level.value) ?? 'info').toLowerCase(), level.name), level.name)
    draft.note(level, 'kept', 'logLevel')
  }
  const headers = take('headers')
  if (Array.isArray(headers?.value)) addHeaders(draft, headers, headers.value)
  const params = take('authorizationparams')
  if (params !== undefined && isRecord(params.value)) {
    draft.set(
      'extraAuthParams',
      Object.fromEntries(
        Object.entries(params.value).map(([name, value]) => [name, draft.text(String(value), params.name)]),
      ),
      params.name,
    )
    draft.note(params, 'kept', 'extraAuthParams')
  }
  const resources = take('requestedresources')
  const [resource, ...more] = itemsOf(resources?.value)
  if (resources !== undefined && resource !== undefined) {
    draft.set('resource', draft.text(resource, resources.name), resources.name)
    draft.note(
      resources,
      more.length > 0 ? 'decide' : 'kept',
      'resource',
      more.length > 0 ? 'one resource: the first was taken' : undefined,
    )
  }
  const header = take('authorizationheader.name')
  if (header !== undefined) {
    const isUsual = textOf(header.value)?.toLowerCase() === 'authorization'
    if (isUsual) {
      draft.set('bearer.enabled', true, header.name)
      draft.set('bearer.audiences', [draft.get('clientID')])
    }
    draft.note(
      header,
      isUsual ? 'changed' : 'decide',
      'bearer.enabled',
      isUsual
        ? 'a token must say that it is for one of bearer.audiences'
        : 'tokens are taken from Authorization: Bearer only',
    )
  }
  const bypass = take('bypassauthenticationrule')
  if (bypass === undefined) return
  const rule = parseTraefikRule(textOf(bypass.value) ?? '')
  if (rule.ok) addPublicRules(draft, bypass, rule.any, { words: '', narrowing: 'changed' })
  else draft.note(bypass, 'decide', 'rules', `not made public: ${rule.why}`)
}

function addHeaders(draft: Draft, found: Found, list: readonly unknown[]): void {
  const headers: { name: string; template: string }[] = []
  for (const [index, item] of list.entries()) {
    if (!isRecord(item)) continue
    const parts = new Map(Object.entries(item).map(([key, value]) => [key.toLowerCase(), value]))
    const one = { name: `${found.name}[${index}]`, place: found.place }
    const name = textOf(parts.get('name')) ?? ''
    const template = draft.text(textOf(parts.get('value')) ?? '', one.name)
    const header = { name, template: template.replaceAll('$${', '${') }
    const [problem] =
      template === '' ? [{ message: 'has no Value that could be taken' }] : headerFindings({ headers: [header] })
    if (problem !== undefined)
      draft.note(one, 'decide', 'headers', `${name === '' ? '' : `${name}: `}${problem.message}`)
    else {
      headers.push({ name, template })
      const when = textOf(parts.get('includewhen'))
      draft.note(
        one,
        when === undefined || /^authorized$/i.test(when) ? 'kept' : 'changed',
        'headers',
        when === undefined || /^authorized$/i.test(when)
          ? undefined
          : 'on public paths it names who is logged in and allowed, and is empty otherwise',
      )
    }
  }
  if (headers.length > 0) draft.set('headers', headers, found.name)
}
