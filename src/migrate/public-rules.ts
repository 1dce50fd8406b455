// Public requests of another program as rules of the draft, with what becomes of those that rules cannot hold.
import type { Draft, Rule } from './draft.ts'
import type { Found } from './found.ts'
import { coversOwn, publicPaths, type PathSet } from './public-paths.ts'
import { flow } from './render.ts'
import type { Requests } from './traefik-rule.ts'

const ownPaths = (draft: Draft) => {
  const text = (name: string): string | undefined => {
    const value = draft.get(name)
    return typeof value === 'string' ? value : undefined
  }
  const callbackURL = text('callbackURL')
  const logoutURL = text('logoutURL')
  return {
    pathPrefix: text('pathPrefix') ?? '/oauth2',
    ...(callbackURL !== undefined && { callbackURL }),
    ...(logoutURL !== undefined && { logoutURL }),
  }
}

/** `words`: what was written, where it may be shown. Call it when the paths of ours are set. */
export function addPublicRules(
  draft: Draft,
  found: Pick<Found, 'name' | 'place'>,
  any: readonly Requests[],
  { words, narrowing = 'decide' }: { words: string; narrowing?: 'decide' | 'changed' },
): void {
  const refused = (why: string): void => draft.note(found, 'decide', 'rules', `${words}not made public: ${why}`)
  let isMade = false
  for (const { hosts = [undefined], methods, networks, paths } of together(any)) {
    const rest = { ...(methods !== undefined && { methods }), ...(networks !== undefined && { networks }) }
    const holds = paths === undefined ? undefined : publicPaths(paths)
    if (paths !== undefined && holds === undefined) {
      refused(isEverything(paths) ? 'it made everything public' : 'it has a path that no rule of ours can hold')
      continue
    }
    if (paths === undefined && hosts[0] === undefined && methods === undefined && networks === undefined) {
      refused('it made everything public')
      continue
    }
    const list: readonly (string | undefined)[] = holds?.paths ?? [undefined]
    const own = list.filter((path) => path !== undefined).find((path) => coversOwn(path, ownPaths(draft)))
    if (own !== undefined) {
      refused(`${own} is a path of this service itself`)
      continue
    }
    for (const host of hosts) {
      for (const path of list) {
        const rule: Rule = {
          ...(host !== undefined && { host }),
          ...(path !== undefined && { path }),
          ...rest,
          policy: 'public',
        }
        draft.rule(rule, found.name)
        isMade = true
      }
      for (const { rules, opens } of holds?.near ?? []) {
        const lines = rules.map((rule) => `  - ${flow({ ...(host !== undefined && { host }), ...rule, ...rest })}`)
        draft.propose('rules', `  # ${found.name}: at the top of the rules, if ${opens} may be public, too`, ...lines)
        refused(
          `no rule of ours is as narrow: ${rules.at(-1)?.['path']} would be public together with ${opens}; the rules for that stand in the file, commented out`,
        )
      }
    }
    const lost = holds?.lost ?? []
    if (lost.length > 0)
      draft.note(found, narrowing, 'rules', `${words}less is public than before: not ${lost.join(', nor ')}`)
    else if (list.length > 0) draft.note(found, 'kept', 'rules', words.replace(/: $/, '') || undefined)
  }
  if (isMade)
    draft.next(
      'public rules count behind the proxy only where its contract tells this service the path: docs/security.md',
    )
}

/** `Path(`/a`) || PathPrefix(`/a/`)` is one set of paths: what one of them lacks the other may have. */
function together(any: readonly Requests[]): readonly Requests[] {
  const groups = Map.groupBy(any, ({ paths, ...rest }) => JSON.stringify([paths === undefined, rest]))
  return [...groups.values()].map((group) => {
    const [first = {}] = group
    return first.paths === undefined ? first : { ...first, paths: group.flatMap(({ paths = [] }) => paths) }
  })
}

const isEverything = (paths: readonly PathSet[]): boolean =>
  paths.some(({ text, isOpen }) => isOpen && /^\/?$/.test(text))
