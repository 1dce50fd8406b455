// The end of every migration: the rules in order, the door shut where something is undecided, the file rendered and tried. What the
// service would refuse is taken out again, said, and leaves the door shut where it kept people out.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { ConfigInvalid } from '../errors.ts'
import { loadConfig } from '../load-config.ts'
import { MOUNTS } from './draft.ts'
import type { Draft, DraftState, PlacedRule, Rule, StandIn } from './draft.ts'
import { flow, renderConfig } from './render.ts'
import type { Report } from './report.ts'
import { referencesIn } from './text.ts'

export interface Migration {
  /** YAML; `foregate check` accepts it once `report.set` and `report.files` are there, unless `report.problems` says what is missing. */
  readonly config: string
  readonly report: Report
}

/** Without them everybody who can log in comes in. */
const NARROWS =
  /^(?:rules|allowed(?:Users|UserDomains|RolesAndGroups)|requireVerifiedEmail|bearer|groupClaimName|roleClaimName|userIdentifierClaim)\b/

export function finish(source: string, draft: Draft): Migration {
  const { state } = draft
  // Each round takes out one option at least.
  let config = rendered(source, state)
  let problems = problemsOf(config, state)
  for (let round = 0; round < 20 && problems.length > 0; round += 1) {
    const mended = problems.filter((problem) => withdraw(draft, problem))
    if (mended.length === 0) break
    config = rendered(source, state)
    problems = problemsOf(config, state)
  }
  const set = [...new Set(referencesIn(config))].map((name) => ({ name, what: state.variables.get(name)?.what ?? '' }))
  const report: Report = {
    source,
    items: state.items,
    set,
    files: [...state.files.keys()].filter((path) => path.startsWith(`${MOUNTS}/`) || config.includes(path)),
    problems: problems.map(({ path, message }) => `${path}: ${message}`),
    next: state.next,
  }
  return { config, report }
}

function rendered(source: string, state: DraftState): string {
  const { tree, remarks, proposals } = state
  const list = ordered(state)
  const above = new Map(list.map(({ from }, index) => [`rules[${index}]`, from]))
  const whole = list.length === 0 ? tree : { ...tree, rules: list.map(({ rule }) => rule) }
  const at = (path: string) => above.get(path) ?? remarks.get(path) ?? []
  return renderConfig(whole, { at, proposals: (option) => proposals.get(option) ?? [] }, [
    `Moved from ${source} by \`foregate migrate\`. docs/moving.md says what each option was, config.example.yaml what each one is.`,
  ])
}

interface Ordered {
  readonly rule: Rule
  readonly from: readonly string[]
  readonly placed: PlacedRule | undefined
}

/** What is public stays so while the door is shut; what narrows comes before what asks for a login only. */
function ordered({ rules, reasons }: DraftState): readonly Ordered[] {
  const all = rules.map((placed) => ({ rule: placed.rule, from: [placed.from], placed }))
  const first = all.filter(({ placed }) => placed.isFirst === true)
  const of = (policy: Rule['policy']): readonly Ordered[] =>
    all.filter(({ rule, placed }) => rule.policy === policy && !first.some((one) => one.placed === placed))
  const why = reasons.map((reason) => `Nobody gets in before this is decided, then remove the rule: ${reason}`)
  const shut: readonly Ordered[] =
    reasons.length === 0 ? [] : [{ rule: { policy: 'deny' }, from: why, placed: undefined }]
  const logins = of('login')
  const isLast = ({ rule: { path, host, methods, networks } }: Ordered): boolean =>
    [path, host, methods, networks].every((part) => part === undefined)
  // A rule in front of what is public would let in whom it asks for, past the one that shuts the door.
  const [top, middle] = first.length > 0 ? [shut, []] : [[], shut]
  return [
    ...top,
    ...first,
    ...of('public'),
    ...middle,
    ...of('deny'),
    ...logins.filter((one) => !isLast(one)),
    ...logins.filter(isLast),
  ]
}

interface Problem {
  readonly path: string
  readonly message: string
}

function problemsOf(config: string, { variables, files }: DraftState): readonly Problem[] {
  const env = Object.fromEntries(
    referencesIn(config).map((name) => [name, standIns[variables.get(name)?.standIn ?? 'text']()]),
  )
  const readFile = (path: string): string => {
    const kind = files.get(path)
    return kind === 'certificate' ? (rootCertificates[0] ?? '') : kind === 'private key' ? privateKey() : standIns.key()
  }
  try {
    loadConfig({ file: 'config.yaml', text: config, env, readFile })
    return []
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    return error.problems.map((problem) => {
      const [, path = 'config', message = problem] = /^[^:]*:\w+: ([\w.[\]-]+): (.*)$/s.exec(problem) ?? []
      return { path, message }
    })
  }
}

/** False where nothing can be taken out: something is missing. */
function withdraw(draft: Draft, { path, message }: Problem): boolean {
  const option = path.replace(/\[.*$/, '')
  const index = /^rules\[(\d+)\]/.exec(path)?.[1]
  if (index !== undefined) return withdrawRule(draft, ordered(draft.state)[Number(index)], message)
  const value = draft.get(option)
  const isNeeded = /^(?:providerURL|clientID|clientSecret|sessionEncryptionKey)$/.test(option)
  if (value === undefined || isNeeded) return false
  const [from] = draft.state.remarks.get(option) ?? []
  draft.remove(option)
  if (!option.includes('.')) draft.propose(option, `${option}: ${flow(value)}`)
  draft.note({ name: from ?? option, place: 'config' }, 'decide', option, `is left out: ${message}`)
  if (NARROWS.test(option)) draft.shut(`${option} could not be carried over`)
  return true
}

function withdrawRule(draft: Draft, found: Ordered | undefined, message: string): boolean {
  if (found?.placed === undefined) return false
  draft.dropRule(found.placed)
  draft.propose('rules', 'rules:', `  - ${flow(found.rule)}`)
  draft.note({ name: found.placed.from, place: 'config' }, 'decide', 'rules', `is left out: ${message}`)
  if (found.rule.policy !== 'public') draft.shut(`a rule of ${found.placed.from} could not be carried over`)
  return true
}

const standIns: Readonly<Record<StandIn, () => string>> = {
  secret: () => randomBytes(24).toString('base64url'),
  key: () => randomBytes(32).toString('base64'),
  'private key': privateKey,
  url: () => 'https://id.example.com',
  redis: () => 'redis://redis:6379',
  text: () => 'example.com',
}

let made: string | undefined
/** Takes a tenth of a second; only few configurations have one. */
function privateKey(): string {
  made ??= generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()
  return made
}
