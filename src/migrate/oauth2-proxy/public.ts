// What oauth2-proxy lets through without a login.
import type { Draft } from '../draft.ts'
import { type Found, isOn, itemsOf } from '../found.ts'
import type { Options } from './options.ts'
import { pathsOfRegex } from '../public-paths.ts'
import { addPublicRules } from '../public-rules.ts'

export function addPublic({ draft, take }: Options): void {
  const preflight = take('skip_auth_preflight')
  if (preflight !== undefined) {
    if (isOn(preflight.value)) draft.rule({ methods: ['OPTIONS'], policy: 'public' }, preflight.name)
    draft.note(preflight, 'kept', isOn(preflight.value) ? 'rules' : undefined)
  }
  const trusted = take('trusted_ip')
  if (trusted !== undefined) {
    draft.rule({ networks: itemsOf(trusted.value), policy: 'public' }, trusted.name)
    draft.note(
      trusted,
      'changed',
      'rules',
      'whoever comes from there needs no login. The address is the connection’s own, or the one that a proxy of trustedProxies names',
    )
  }
  for (const name of ['skip_auth_regex', 'skip_auth_route'] as const) {
    const found = take(name)
    if (found === undefined) continue
    // A list in the file is taken item by item; everywhere else commas part it.
    const list =
      Array.isArray(found.value) && found.rank === 'file'
        ? (found.value as readonly unknown[]).map(String)
        : [found.value].flat().flatMap((value) => String(value).split(','))
    for (const written of list) skipRoute(draft, found, written, name === 'skip_auth_route')
  }
}

/** `GET=^/x`, `GET!=^/x` (every path but), `^/x`: split at the first `=`, as oauth2-proxy does. */
function skipRoute(draft: Draft, found: Found, written: string, hasMethods: boolean): void {
  const words = `${JSON.stringify(written)}: `
  const refused = (why: string): void => draft.note(found, 'decide', 'rules', `${words}not made public: ${why}`)
  const [, method, negation, regex = written] = (hasMethods ? /^(.*?)(!?)=(.*)$/s.exec(written) : null) ?? []
  // Whether it has `!=` is asked of the whole text there.
  if (negation === '!' || (hasMethods && written.includes('!=')))
    return refused('everything but a path is no rule here')
  if (method !== undefined && !/^[A-Za-z]*$/.test(method))
    return refused('what stands in front of the = is no method, so it never held there')
  if (/\$\{|\$\(/.test(regex)) return refused('it has a variable in it')
  const paths = pathsOfRegex(regex)
  if (paths === undefined)
    return refused('the regular expression is more than a path; write rules for the paths that it meant')
  const methods = method === undefined || method === '' ? undefined : [method.toUpperCase()]
  addPublicRules(draft, found, [{ paths, ...(methods !== undefined && { methods }) }], { words })
}
