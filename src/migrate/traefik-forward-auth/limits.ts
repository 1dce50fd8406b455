// Who may come in, for all requests and for those of a rule.
import type { Draft } from '../draft.ts'
import { type Found, isOn, itemsOf, textOf } from '../found.ts'
import { addPublicRules } from '../public-rules.ts'
import type { Take } from './read.ts'
import { parseTraefikRule } from '../traefik-rule.ts'

export function addLimits(draft: Draft, take: Take, isEither: boolean): void {
  const whitelist = take('whitelist')
  const domain = take('domain')
  const either = take('match-whitelist-or-domain')
  const bothCount = isEither || (either !== undefined && isOn(either.value))
  if (either !== undefined)
    draft.note(either, 'kept', 'allowedUserDomains', 'users and domains are one condition here: either lets in')
  const text = (found: Found | undefined) => itemsOf(found?.value).map((item) => draft.text(item, found?.name ?? ''))
  if (whitelist !== undefined) {
    limit(draft, whitelist, 'allowedUsers', text(whitelist))
  }
  if (domain === undefined) return
  // Both: only the whitelist counts there, unless it is said otherwise.
  if (whitelist !== undefined && !bothCount)
    draft.note(domain, 'dropped', undefined, 'had no effect there beside whitelist, without match-whitelist-or-domain')
  else limit(draft, domain, 'allowedUserDomains', text(domain))
}

/** An empty list would let in everybody. */
function limit(draft: Draft, found: Found, path: string, list: readonly string[]): void {
  if (list.length > 0) {
    draft.set(path, list, found.name)
    return draft.note(found, 'kept', path)
  }
  draft.shut(`${found.name} names nobody, or stands elsewhere`)
  draft.note(found, 'decide', path, 'names nobody in these files')
}

export function addRule(draft: Draft, name: string, params: ReadonlyMap<string, Found>, defaultProvider: string): void {
  const [first] = params.values()
  if (first === undefined) return
  const found = { name: `rule.${name}`, place: first.place }
  for (const [param, one] of params) {
    if (!['action', 'rule', 'provider', 'whitelist', 'domains'].includes(param))
      draft.note(one, 'decide', undefined, 'no parameter of a rule that is known here')
  }
  const provider = textOf(params.get('provider')?.value)
  if (provider !== undefined && provider !== defaultProvider)
    draft.note(
      { ...found, name: `${found.name}.provider` },
      'decide',
      'providerURL',
      'one provider: everybody logs in at the default one',
    )
  const action = textOf(params.get('action')?.value)?.toLowerCase() ?? 'auth'
  const users = itemsOf(params.get('whitelist')?.value).map((item) => draft.text(item, found.name))
  const domains = itemsOf(params.get('domains')?.value).map((item) => draft.text(item, found.name))
  const parsed = parseTraefikRule(textOf(params.get('rule')?.value) ?? '')
  const isNarrow = users.length + domains.length > 0
  if (action === 'allow') {
    // It does not look at the list there: whoever wrote one did not mean everybody.
    if (isNarrow)
      draft.note(
        found,
        'decide',
        'rules',
        'not made public: it allows everybody and names people, which there counted for nothing',
      )
    else if (!parsed.ok) draft.note(found, 'decide', 'rules', `not made public: ${parsed.why}`)
    else addPublicRules(draft, found, parsed.any, { words: '', narrowing: 'changed' })
    return
  }
  const refused = (why: string): void => {
    if (isNarrow) draft.shut(`${found.name}: ${why}`)
    draft.note(
      found,
      isNarrow ? 'decide' : 'changed',
      'rules',
      isNarrow ? why : 'a login is what happens without a rule',
    )
  }
  if (!parsed.ok) return refused(parsed.why)
  if (users.length > 0 && domains.length > 0)
    return refused('it names people and domains, of which only the people counted there: write one of the two')
  const require = isNarrow ? { require: users.length > 0 ? { users } : { domains } } : {}
  const paths = parsed.any.flatMap((requests) => requests.paths ?? [])
  if (paths.some(({ isFloating, isNarrowed }) => isFloating === true || isNarrowed === true))
    return refused('its paths are no prefix of ours')
  for (const { hosts = [undefined], methods, networks, paths: sets = [undefined] } of parsed.any) {
    for (const host of hosts) {
      for (const set of sets) {
        // Wider than there (what is below the path, too): it asks in more places, never in fewer.
        const path = set?.text.replace(/\/$/, '') ?? ''
        draft.rule(
          {
            ...(host !== undefined && { host }),
            ...(path !== '' && { path }),
            ...(methods !== undefined && { methods }),
            ...(networks !== undefined && { networks }),
            policy: 'login',
            ...require,
          },
          found.name,
          'first',
        )
      }
    }
  }
  const goesOn = paths.find(({ text, isOpen }) => isOpen && !text.endsWith('/'))
  if (isNarrow && goesOn !== undefined)
    draft.note(
      found,
      'decide',
      'rules',
      `a path ends at a slash here: names that go on (${goesOn.text}x) ask for a login, but not for these people: see that there are none`,
    )
  else
    draft.note(
      found,
      isNarrow ? 'changed' : 'kept',
      'rules',
      isNarrow ? 'on top of whitelist and domain, which it replaced there' : undefined,
    )
}
