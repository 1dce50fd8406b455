// The options of oauth2-proxy, each with what it becomes here. What config/moving-oauth2-proxy.ts says of a name is the note of every
// option that needs no more than that.
import { oauth2Proxy } from '../../config/moving-oauth2-proxy.ts'
import { oauth2ProxyMove, oauth2ProxyName } from '../../config/moving.ts'
import { nearest } from '../../config/suggest.ts'
import type { Draft } from '../draft.ts'
import { type Found, textOf } from '../found.ts'
import { addCookies } from './cookies.ts'
import { addHeaders } from './headers.ts'
import { addLimits } from './limits.ts'
import { addPlaces } from './places.ts'
import { addProvider } from './provider.ts'
import { addPublic } from './public.ts'
import type { OAuth2ProxyInput } from './read.ts'
import { addRedis } from './redis.ts'

export interface Options {
  readonly draft: Draft
  /** The option by its name in the table, merged, and marked as dealt with. */
  take(name: string): Found | undefined
  /** Not marked. */
  peek(name: string): Found | undefined
}

const RANKS = { flag: 2, variable: 1, file: 0 } as const

export function collect(draft: Draft, found: readonly Found[]): { options: Options; rest: () => readonly Found[] } {
  const byName = new Map<string, Found[]>()
  for (const one of found) {
    const name = oauth2ProxyName(one.name)
    if (name === undefined) unknown(draft, one)
    else byName.set(name, [...(byName.get(name) ?? []), one])
  }
  const merged = new Map<string, Found>()
  for (const [name, all] of byName) {
    const best = Math.max(...all.map(({ rank }) => RANKS[rank]))
    const used = all.filter(({ rank }) => RANKS[rank] === best)
    for (const other of all.filter((one) => !used.includes(one))) {
      draft.note(
        other,
        'dropped',
        undefined,
        `${used[0]?.name} at ${used[0]?.place} counts instead: flags, then variables, then files`,
      )
    }
    const [first] = used
    if (first === undefined) continue
    merged.set(name, used.length === 1 ? first : { ...first, value: used.flatMap(({ value }) => value) })
  }
  const taken = new Set<string>()
  const options: Options = {
    draft,
    take: (name) => {
      taken.add(name)
      return merged.get(name)
    },
    peek: (name) => merged.get(name),
  }
  return { options, rest: () => [...merged].flatMap(([name, one]) => (taken.has(name) ? [] : [one])) }
}

const AMONG_OTHERS = new Set([
  'config',
  'alpha_config',
  'version',
  'config_test',
  'convert_config_to_alpha',
  'h',
  'help',
])

function unknown(draft: Draft, found: Found): void {
  const name = found.name
    .replace(/^-+|^OAUTH2_PROXY_/g, '')
    .toLowerCase()
    .replaceAll('-', '_')
  if (AMONG_OTHERS.has(name)) {
    const isFile = name.endsWith('config')
    draft.note(
      found,
      isFile ? 'changed' : 'dropped',
      undefined,
      isFile ? 'what that file says belongs to it: give it to `foregate migrate` in the same run' : 'no option',
    )
    return
  }
  const near = nearest(name, Object.keys(oauth2Proxy))
  draft.note(
    found,
    'decide',
    undefined,
    `no option of oauth2-proxy that is known here${near === undefined ? '' : `; the nearest is ${near}`}`,
  )
}

export function addOptions(
  { options, rest }: { options: Options; rest: () => readonly Found[] },
  source: OAuth2ProxyInput,
): void {
  const { draft } = options
  addProvider(options)
  addCookies(options)
  addRedis(options)
  addPlaces(options, source)
  addHeaders(options, source.alpha.length > 0)
  addLimits(options)
  // After the paths of our own, which no rule may cover.
  addPublic(options)
  for (const found of rest()) remainder(draft, found)
}

/** Whatever has no more to it than its row in the table. */
function remainder(draft: Draft, found: Found): void {
  const move = oauth2ProxyMove(found.name)
  const isOff = textOf(found.value)?.toLowerCase() === 'false'
  if (move?.narrows === true && !isOff) {
    draft.shut(`${found.name} kept people out, and is not carried over`)
    draft.note(found, 'decide', move.option, move.note ?? 'is not carried over')
  } else if (isOff) draft.note(found, 'kept', undefined, 'off, as here')
  else draft.note(found, 'dropped', undefined, move?.note ?? `see ${move?.option ?? 'docs/moving.md'}`)
}
