// The configuration while it comes together: options of ours with a remark on where each comes from, what became of each option of
// the source, the variables that are needed, and whether the door must stay shut until somebody has decided.
import { environmentName } from '../config/environment.ts'
import { isRecord } from '../config/yaml-file.ts'
import { Elsewhere, textOf, type Found } from './found.ts'
import type { Item, Outcome } from './report.ts'
import { ourText, referencesIn, wholeReference } from './text.ts'

/** What stands in for a variable while the configuration is tried. */
export type StandIn = 'secret' | 'url' | 'redis' | 'key' | 'private key' | 'text'

export interface Variable {
  readonly what: string
  readonly standIn: StandIn
}

export interface Rule {
  readonly path?: string
  readonly host?: string
  readonly methods?: readonly string[]
  readonly networks?: readonly string[]
  readonly policy: 'public' | 'login' | 'deny'
  readonly require?: Readonly<Record<string, unknown>>
}

export interface PlacedRule {
  readonly rule: Rule
  /** In front of what is public: where the source does not say which of two rules counts, the stricter one does. */
  readonly isFirst?: boolean
  readonly from: string
}

export interface Draft {
  /** `path` with dots. Data, or text of ours. `from`: the remark above it; the option's own name is enough. */
  set(path: string, value: unknown, from?: string): void
  get(path: string): unknown
  remove(path: string): void
  /** First match wins: public rules come first, then those that deny, then those that ask for a login. */
  rule(rule: Rule, from: string, place?: 'first'): void
  dropRule(placed: PlacedRule): void
  /** What everybody must meet for whom no other rule holds. All of it, whichever option said it. */
  require(part: string, values: readonly string[] | Readonly<Record<string, readonly string[]>>, from: string): void
  /** Nobody gets in until `why` is settled: a limit that could not be carried over must not be forgotten. */
  shut(why: string): void
  readonly isShut: boolean
  /** Commented-out lines (YAML of the top level) beneath `option`. */
  propose(option: string, ...lines: readonly string[]): void
  /** Makes `${NAME}` and says what it is for. */
  variable(name: string, what: string, standIn: StandIn): string
  /** A text of the source as one of ours, with the variables that it names. */
  text(written: string, what: string): string
  /** A secret: a reference, or, with `keepSecrets`, the text itself. The option's own variable unless the source names one. */
  secret(path: string, found: Found, what: string, standIn?: StandIn): void
  /** A file that our configuration refers to. */
  file(path: string, kind: 'certificate' | 'private key' | 'secret'): void
  note(found: Pick<Found, 'name' | 'place'>, outcome: Outcome, to?: string, note?: string): void
  next(line: string): void
  readonly state: DraftState
}

export interface DraftState {
  readonly tree: Record<string, unknown>
  readonly remarks: Map<string, string[]>
  readonly proposals: Map<string, string[]>
  readonly rules: readonly PlacedRule[]
  readonly reasons: readonly string[]
  readonly items: readonly Item[]
  readonly variables: ReadonlyMap<string, Variable>
  readonly files: ReadonlyMap<string, 'certificate' | 'private key' | 'secret'>
  readonly next: readonly string[]
}

/** Where `urn:k8s:secret:NAME:KEY` is, unless secretsDir says otherwise. */
export const MOUNTS = '/var/run/secrets/foregate'

/** `foreign`: variables of the source's own name, which mean something else to this service. */
export function createDraft({ keepSecrets, foreign }: { keepSecrets: boolean; foreign?: RegExp }): Draft {
  const tree: Record<string, unknown> = {}
  const remarks = new Map<string, string[]>()
  const proposals = new Map<string, string[]>()
  const rules: PlacedRule[] = []
  const reasons: string[] = []
  const items: Item[] = []
  const variables = new Map<string, Variable>()
  const files = new Map<string, 'certificate' | 'private key' | 'secret'>()
  const next: string[] = []
  let last: Rule | undefined

  const draft: Draft = {
    set(path, value, from) {
      const names = path.split('.')
      let node = tree
      for (const name of names.slice(0, -1)) {
        const child = node[name]
        node = isRecord(child) ? child : (node[name] = {} as Record<string, unknown>)
      }
      node[names.at(-1) ?? ''] = value
      if (from !== undefined) remarks.set(path, [...new Set([...(remarks.get(path) ?? []), from])])
    },
    get: (path) => path.split('.').reduce<unknown>((node, name) => (isRecord(node) ? node[name] : undefined), tree),
    remove(path) {
      const names = path.split('.')
      const parent = names.length === 1 ? tree : draft.get(names.slice(0, -1).join('.'))
      if (isRecord(parent)) delete parent[names.at(-1) ?? '']
      remarks.delete(path)
    },
    rule: (rule, from, place) => void rules.push({ rule, from, ...(place === 'first' && { isFirst: true }) }),
    require(part, values, from) {
      const index = rules.findIndex(({ rule }) => rule === last)
      const before = index < 0 ? undefined : rules.splice(index, 1)[0]
      const given = before?.rule.require?.[part]
      if (given !== undefined && Array.isArray(values))
        draft.shut(`${from} and ${before?.from} ask for the same thing in two ways`)
      const merged = isRecord(given) && isRecord(values) ? { ...given, ...values } : values
      last = { policy: 'login', require: { ...before?.rule.require, [part]: merged } }
      rules.push({ rule: last, from: before === undefined ? from : `${before.from}, ${from}` })
    },
    dropRule: (placed) => void rules.splice(rules.indexOf(placed), 1),
    shut: (why) => void (reasons.includes(why) || reasons.push(why)),
    get isShut() {
      return reasons.length > 0
    },
    propose: (option, ...lines) => void proposals.set(option, [...(proposals.get(option) ?? []), ...lines]),
    variable(name, what, standIn) {
      // What it is for says more than that it was named somewhere.
      const known = variables.get(name)
      if (known === undefined || (known.standIn === 'text' && standIn !== 'text'))
        variables.set(name, { what, standIn })
      return `\${${name}}`
    },
    text(written, what) {
      const { text } = ourText(written)
      for (const name of referencesIn(text)) draft.variable(name, `as before: ${what}`, 'text')
      return text
    },
    secret(path, found, what, standIn = 'secret') {
      const own = environmentName(path.split('.'))
      const written = found.value instanceof Elsewhere ? undefined : textOf(found.value)
      const { text, variables: named } = ourText(written ?? '')
      const only = wholeReference(text)
      const isNamed = only !== undefined && foreign?.test(only) !== true
      const isMounted = /^(?:file:\/|urn:k8s:secret:)/.test(text)
      if (isMounted || (keepSecrets && written !== undefined && named.length === 0 && text !== '')) {
        draft.set(path, text, found.name)
        if (text.startsWith('file:/')) draft.file(text.slice('file:'.length), 'secret')
        const [, name, key] = /^urn:k8s:secret:([^:]+):([^:]+)$/.exec(text) ?? []
        if (name !== undefined) draft.file(`${MOUNTS}/${name}/${key}`, 'secret')
        return
      }
      draft.set(path, draft.variable(isNamed ? only : own, what, standIn), found.name)
    },
    file: (path, kind) => void files.set(path, kind),
    note: ({ name, place }, outcome, to, note) =>
      void items.push({
        option: name,
        place,
        outcome,
        ...(to !== undefined && { to }),
        ...(note !== undefined && { note }),
      }),
    next: (line) => void (next.includes(line) || next.push(line)),
    state: { tree, remarks, proposals, rules, reasons, items, variables, files, next },
  }
  return draft
}
