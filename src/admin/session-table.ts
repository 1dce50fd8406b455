// Sessions as an operator reads them on a terminal: lines of at most 100 cells.
import { fitted, printable, widthOf } from './printable.ts'
import type { SessionView } from './wire.ts'

const lineCells = 100
const gap = '  '

interface Column {
  readonly title: string
  readonly text: (session: SessionView, now: number) => string
  /** It gives way where the line is too long, down to so many cells. */
  readonly least?: number
}

const columns: readonly Column[] = [
  { title: 'ID', text: ({ id }) => id },
  { title: 'USER', text: ({ user }) => user, least: 16 },
  { title: 'SINCE', text: ({ createdAt }, now) => ago(createdAt, now) },
  { title: 'SEEN', text: ({ lastSeenAt }, now) => ago(lastSeenAt, now) },
  { title: 'NETWORK', text: ({ network }) => network ?? '-', least: 8 },
  { title: 'BROWSER', text: ({ browser }) => browser ?? '-', least: 8 },
]

/** `now`: ms since the epoch. Ends with a line break. */
export function sessionTable(sessions: readonly SessionView[], now: number): string {
  const rows = [
    columns.map(({ title }) => title),
    ...sessions.map((session) => columns.map(({ text }) => printable(text(session, now)))),
  ]
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => widthOf(row[at] ?? ''))))
  // The user's name last: it says whom it is about.
  for (const title of ['BROWSER', 'NETWORK', 'USER']) {
    const at = columns.findIndex((column) => column.title === title)
    const total = widths.reduce((sum, width) => sum + width, gap.length * (columns.length - 1))
    const width = widths[at] ?? 0
    widths[at] = Math.max(Math.min(width, columns[at]?.least ?? width), width - Math.max(0, total - lineCells))
  }
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => fitted(cell, widths[at] ?? 0))
          .join(gap)
          .trimEnd()}\n`,
    )
    .join('')
}

/** All that is known of one. */
export function sessionCard(session: SessionView, now: number): string {
  const at = (time: string) => `${time} (${ago(time, now)})`
  const lines: [label: string, text: string][] = [
    ['id', session.id],
    ['user', session.user],
    ['subject', session.subject],
    ['issuer', session.issuer],
    ['sid', session.sid ?? '-'],
    ['since', at(session.createdAt)],
    ['seen', at(session.lastSeenAt)],
    ['ends', at(session.expiresAt)],
    ['network', session.network ?? '-'],
    ['browser', session.browser ?? '-'],
  ]
  return lines.map(([label, text]) => `${fitted(label, 7)}${gap}${printable(text)}\n`).join('')
}

const units: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]

/** "3 h ago", "in 20 h", "now". */
export function ago(time: string, now: number): string {
  const ms = now - Date.parse(time)
  if (Number.isNaN(ms)) return time
  const [unitMs, unit] = units.find(([least]) => Math.abs(ms) >= least) ?? []
  if (unitMs === undefined || unit === undefined) return 'now'
  const count = `${Math.floor(Math.abs(ms) / unitMs)} ${unit}`
  return ms < 0 ? `in ${count}` : `${count} ago`
}
