// From traefik-forward-auth: thomseddon's, and mesosphere's with one provider by its address. Flags, variables, its INI file.
import { traefikForwardAuth } from '../../config/moving-traefik-forward-auth.ts'
import { traefikForwardAuthMove, traefikForwardAuthName } from '../../config/moving.ts'
import { nearest } from '../../config/suggest.ts'
import type { Draft } from '../draft.ts'
import { type Found, textOf } from '../found.ts'
import type { Input } from '../input.ts'
import { addLimits, addRule } from './limits.ts'
import { addPlaces } from './places.ts'
import { addProvider } from './provider.ts'
import { readForwardAuth } from './read.ts'

export function migrateForwardAuth(draft: Draft, inputs: readonly Input[]): void {
  const { found, isCompose } = readForwardAuth(inputs)
  const options = new Map<string, Found>()
  const rules = new Map<string, Map<string, Found>>()
  const ranks = { flag: 2, variable: 1, file: 0 } as const
  for (const one of found.toSorted((a, b) => ranks[a.rank] - ranks[b.rank])) {
    const name = traefikForwardAuthName(one.name)
    const [, rule, param] = /^-*rules?\.([^.]+)\.([\w-]+)$/i.exec(one.name) ?? []
    if (rule !== undefined && param !== undefined)
      rules.set(rule, (rules.get(rule) ?? new Map()).set(param.toLowerCase(), one))
    else if (Object.hasOwn(traefikForwardAuth, name)) {
      const before = options.get(name)
      options.set(name, before?.rank === one.rank ? { ...one, value: [before.value, one.value].flat() } : one)
    } else {
      const near = nearest(name, Object.keys(traefikForwardAuth))
      // TZ, HTTPS_PROXY: a container has variables of others, too.
      if (near === undefined && one.rank === 'variable') continue
      draft.note(
        one,
        'decide',
        undefined,
        `no option of traefik-forward-auth that is known here${near === undefined ? '' : `; the nearest is ${near}`}`,
      )
    }
  }
  const taken = new Set<string>()
  const take = (name: string): Found | undefined => {
    taken.add(name)
    return options.get(name)
  }
  const isMesosphere = options.has('provider-uri') || options.has('encryption-key')
  addProvider(draft, take, isMesosphere)
  addPlaces(draft, take, isCompose)
  addLimits(draft, take, isMesosphere)
  for (const [name, params] of rules)
    addRule(draft, name, params, textOf(options.get('default-provider')?.value) ?? 'google')
  for (const [name, one] of options) if (!taken.has(name)) remainder(draft, one)
}

function remainder(draft: Draft, found: Found): void {
  const move = traefikForwardAuthMove(found.name)
  const isOff = textOf(found.value)?.toLowerCase() === 'false'
  if (move?.narrows === true && !isOff) {
    draft.shut(`${found.name} kept people out, and is not carried over`)
    draft.note(found, 'decide', move.option, move.note)
  } else
    draft.note(found, isOff ? 'kept' : 'dropped', undefined, isOff ? 'off, as here' : (move?.note ?? 'docs/moving.md'))
}
