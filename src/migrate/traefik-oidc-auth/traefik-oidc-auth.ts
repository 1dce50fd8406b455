// From traefik-oidc-auth (sevensolutions): its block, in any letter case.
import { traefikOidcAuth } from '../../config/moving-traefik-oidc-auth.ts'
import { traefikOidcAuthMove } from '../../config/moving.ts'
import { nearest } from '../../config/suggest.ts'
import { isRecord } from '../../config/yaml-file.ts'
import { pluginBlock } from '../blocks.ts'
import { setTrustedProxies } from '../shared-settings.ts'
import type { Draft } from '../draft.ts'
import { type Found, placeOf } from '../found.ts'
import type { Input } from '../input.ts'
import { limits } from './limits.ts'
import { others } from './others.ts'
import { cookies, places } from './places.ts'
import { provider } from './provider.ts'

/** Groups whose members are options; whatever else is a map or a list of them is one value. */
const GROUPS = new Set(['provider', 'sessioncookie', 'authorizationheader', 'authorizationcookie', 'authorization'])

export function migrateOidcAuth(draft: Draft, inputs: readonly Input[]): void {
  const block = pluginBlock(inputs, 'traefik-oidc-auth', (plugin, tree) => {
    const hasProvider = Object.keys(tree).some((key) => key.toLowerCase() === 'provider')
    return hasProvider || (plugin !== undefined && /oidc-?auth/i.test(plugin))
  })
  const options = new Map<string, Found>()
  for (const [key, value] of Object.entries(block.tree)) {
    const group = key.toLowerCase()
    const members: [string, string, unknown][] =
      GROUPS.has(group) && isRecord(value)
        ? Object.entries(value).map(([name, inner]) => [`${group}.${name.toLowerCase()}`, `${key}.${name}`, inner])
        : [[group, key, value]]
    for (const [path, name, inner] of members) {
      const written = name.split('.')
      options.set(path, { name, value: inner, place: placeOf(block.file, block.lineOf(written)), rank: 'file' })
    }
  }
  const taken = new Set<string>()
  const take = (path: string): Found | undefined => {
    taken.add(path)
    return options.get(path)
  }
  provider(draft, take)
  places(draft, take)
  cookies(draft, take)
  limits(draft, take)
  others(draft, take)
  setTrustedProxies(draft, block.isCompose)
  draft.next(
    'in Traefik the plugin’s middleware becomes a forwardAuth middleware of the same name: deploy/traefik/foregate.yaml',
  )
  for (const [path, found] of options) if (!taken.has(path)) remainder(draft, path, found)
}

function remainder(draft: Draft, path: string, found: Found): void {
  const move = traefikOidcAuthMove(path.split('.'))
  if (move?.narrows === true) draft.shut(`${found.name} kept people out, and is not carried over`)
  if (move !== undefined)
    return draft.note(
      found,
      move.narrows === true ? 'decide' : 'dropped',
      move.narrows === true ? move.option : undefined,
      move.note,
    )
  const near = nearest(path, Object.keys(traefikOidcAuth))
  draft.note(
    found,
    'decide',
    undefined,
    `no option of traefik-oidc-auth that is known here${near === undefined ? '' : `; the nearest is ${near}`}`,
  )
}
