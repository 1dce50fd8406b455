// Label combinations of one metric. Finding one is a walk through nested maps: no key string is built on the hot path.

/** More combinations than this per metric means that something unbounded became a label: the rest is counted as `other`. */
export const maxSeries = 500

export interface Series<Cell> {
  readonly labels: Readonly<Record<string, string>>
  readonly cell: Cell
}

export interface SeriesSet<Cell> {
  /** The one cell for these labels: the same object each time; past `maxSeries`, the shared cell whose labels are all `other`. */
  labels(labels: Readonly<Record<string, string>>): Cell
  readonly all: readonly Series<Cell>[]
}

export function createSeries<Cell>(labelNames: readonly string[], newCell: () => Cell): SeriesSet<Cell> {
  const all: Series<Cell>[] = []
  let other: Cell | undefined
  const tree: Branch<Cell> = { branches: new Map(), leaves: new Map() }
  const lastName = labelNames.at(-1)

  const add = (labels: Readonly<Record<string, string>>): Cell => {
    const cell = newCell()
    // Copied in the declared order, so that a caller's extra or later changed field never reaches the exposition.
    all.push({ labels: Object.fromEntries(labelNames.map((name) => [name, labels[name] ?? ''])), cell })
    return cell
  }
  const overflow = () => (other ??= add(Object.fromEntries(labelNames.map((name) => [name, 'other']))))

  if (lastName === undefined) {
    // Without labels there is one cell, exposed as 0 from the start: an alert on a missing series never fires.
    const only = add({})
    return { labels: () => only, all }
  }
  return {
    labels(labels) {
      let node = tree
      for (let depth = 0; depth < labelNames.length - 1; depth++) {
        const value = labels[labelNames[depth] ?? ''] ?? ''
        let next = node.branches.get(value)
        if (next === undefined) {
          if (all.length >= maxSeries) return overflow()
          next = { branches: new Map(), leaves: new Map() }
          node.branches.set(value, next)
        }
        node = next
      }
      const value = labels[lastName] ?? ''
      const known = node.leaves.get(value)
      if (known !== undefined) return known
      if (all.length >= maxSeries) return overflow()
      const cell = add(labels)
      node.leaves.set(value, cell)
      return cell
    },
    all,
  }
}

interface Branch<Cell> {
  readonly branches: Map<string, Branch<Cell>>
  readonly leaves: Map<string, Cell>
}
