// A strict reader of the Prometheus text format, written from the format's description and not from our writer.

export interface ExposedSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  /** Name -> type. */
  readonly families: ReadonlyMap<string, string>
  readonly samples: readonly ExposedSample[]
}

/** Throws at the first line that is neither comment nor sample, or whose family was not declared before it. */
export function parseExposition(text: string): Exposition {
  const families = new Map<string, string>()
  const samples: ExposedSample[] = []
  if (!text.endsWith('\n')) throw new Error('the last line must end with a newline')
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue
    const declaration = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary)$/.exec(line)
    if (declaration !== null) {
      const [, name = '', type = ''] = declaration
      if (families.has(name)) throw new Error(`declared twice: ${name}`)
      families.set(name, type)
      continue
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (sample === null) throw new Error(`not a sample: ${line}`)
    const [, name = '', labels = '', value = ''] = sample
    const family = families.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
    if (!families.has(family)) throw new Error(`no TYPE before ${name}`)
    const number = value === '+Inf' ? Infinity : value === 'Nan' || value === 'NaN' ? Number.NaN : Number(value)
    samples.push({ name, labels: parseLabels(labels), value: number })
  }
  return { families, samples }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  const label = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y
  while (label.lastIndex < text.length) {
    const match = label.exec(text)
    if (match === null) throw new Error(`not labels: ${text}`)
    const [, name = '', value = ''] = match
    if (name in labels) throw new Error(`label twice: ${name}`)
    labels[name] = value.replace(/\\(["\\n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}
