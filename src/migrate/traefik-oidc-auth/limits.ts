// Who may come in: assertions about claims, all of which must hold.
import { traefikOidcAuthMove } from '../../config/moving.ts'
import { isRecord } from '../../config/yaml-file.ts'
import type { Draft } from '../draft.ts'
import { type Found, itemsOf, textOf } from '../found.ts'
import type { Take } from './options.ts'

export function limits(draft: Draft, take: Take): void {
  const asserted = take('authorization.assertclaims')
  const list = Array.isArray(asserted?.value) ? (asserted.value as readonly unknown[]) : []
  if (asserted !== undefined && list.length === 0) refuse(asserted, 'it is no list')
  for (const item of list) if (asserted !== undefined) assertion(asserted, item)
  const every = take('authorization.checkoneveryrequest')
  if (every !== undefined) draft.note(every, 'kept', undefined, 'what is allowed is checked on every request')
  for (const path of ['unauthenticatedbehavior', 'unauthorizedbehavior']) {
    const found = take(path)
    if (found === undefined) continue
    const isForward = textOf(found.value)?.toLowerCase() === 'forward'
    draft.note(
      found,
      isForward ? 'decide' : 'changed',
      undefined,
      isForward
        ? 'nothing is passed on for who is not let in: write public rules for the paths that are meant'
        : traefikOidcAuthMove([path])?.note,
    )
  }

  function refuse(found: Found, why: string): void {
    draft.shut(`${found.name}: ${why}`)
    draft.note(found, 'decide', 'rules', why)
  }

  function assertion(found: Found, item: unknown): void {
    const parts = isRecord(item)
      ? new Map(Object.entries(item).map(([key, value]) => [key.toLowerCase(), value]))
      : new Map<string, unknown>()
    const written = textOf(parts.get('name')) ?? ''
    // A JSON path: plain names and dots, or one name in brackets.
    const bracketed = /^\[(?:'([^'.]+)'|"([^".]+)")\]$/.exec(written)
    const name =
      bracketed === null ? (/^[\w]+(?:\.[\w]+)*$/.test(written) ? written : undefined) : (bracketed[1] ?? bracketed[2])
    const all = itemsOf(parts.get('allof'))
    const any = itemsOf(parts.get('anyof'))
    if (name === undefined) return refuse(found, 'the claim is named by a JSON path that is more than names and dots')
    if (all.length > 1 || (all.length > 0 && any.length > 0))
      return refuse(found, `${name}: a rule here takes any of the values, not all of them`)
    if (all.length + any.length === 0)
      return refuse(found, `${name}: that a claim is there is no rule here; name its values`)
    const values = [...all, ...any].map((value) => draft.text(value, found.name))
    draft.require('claims', { [name]: values }, `${found.name} ${name}`)
    draft.note(found, 'kept', 'rules', `require: { claims: { ${name}: … } }`)
  }
}
