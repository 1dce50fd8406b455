// What became of each option, as people read it and as programs do. It names options and places; values stay in their files, but for
// patterns of paths, without which nobody could decide about them.

export type Outcome =
  /** It means the same here. */
  | 'kept'
  /** It is there, and means something else or is written in another way: the note says which. */
  | 'changed'
  /** Nothing here does this: the note says why, or what to do instead. */
  | 'dropped'
  /** Somebody has to decide: nothing was opened in the meantime. */
  | 'decide'

export interface Item {
  /** The option as it was written. */
  readonly option: string
  /** `FILE:LINE` */
  readonly place: string
  readonly outcome: Outcome
  /** Path of our option. */
  readonly to?: string
  readonly note?: string
}

/** A variable that the configuration refers to. */
export interface Needed {
  readonly name: string
  readonly what: string
}

export interface Report {
  readonly source: string
  readonly items: readonly Item[]
  /** Variables to be set before the service starts. */
  readonly set: readonly Needed[]
  /** Files that must be where the configuration says. */
  readonly files: readonly string[]
  /** What `foregate check` would still refuse once those are there. */
  readonly problems: readonly string[]
  /** What to change outside of this configuration. */
  readonly next: readonly string[]
}

/** True: the configuration is one that `foregate check` accepts as it is, and means what the source meant. */
export const isSettled = ({ items, problems }: Report): boolean =>
  problems.length === 0 && items.every(({ outcome }) => outcome !== 'decide')

export function reportText(report: Report): string {
  const { source, items, set, files, problems, next } = report
  const counts = new Map<Outcome, number>()
  for (const { outcome } of items) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const summary = (['kept', 'changed', 'dropped', 'decide'] as const)
    .flatMap((outcome) => (counts.has(outcome) ? [`${counts.get(outcome)} ${TITLES[outcome]}`] : []))
    .join(', ')
  const lines = [
    `from ${source}: ${summary}`,
    // What waits for somebody is what is read last, and remembered.
    ...(['kept', 'changed', 'dropped', 'decide'] as const).flatMap((outcome) =>
      items.filter((item) => item.outcome === outcome).map(itemLine),
    ),
    ...section(
      'Set these variables (or leave the option out and set NAME_FILE to a file that holds the secret):',
      set.map(({ name, what }) => `${name}  ${what}`),
    ),
    ...section('These files must be there:', files),
    ...section('Outside of this configuration:', next),
    ...section('`foregate check` will still refuse:', problems),
  ]
  return `${lines.map(oneLine).join('\n')}\n`
}

export const reportJson = (report: Report): string =>
  `${JSON.stringify({ ...report, settled: isSettled(report) }, undefined, 2)}\n`

const TITLES = { kept: 'kept', changed: 'changed', dropped: 'without a counterpart', decide: 'to decide' } as const

function itemLine({ option, place, outcome, to, note }: Item): string {
  const arrow = to === undefined ? '' : ` -> ${to}`
  return `${outcome.padEnd(7)} ${place}: ${option}${arrow}${note === undefined ? '' : `: ${note}`}`
}

const section = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)]

/** A name can hold a line break in YAML; what is said of it stays one line, and no terminal obeys it. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
