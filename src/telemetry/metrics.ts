// Numbers for the operator. On the hot path a metric is a plain field that is incremented; prom-client sees it at scrape time.

/** Resolve once, at composition; then `count.value++`. */
export interface Count {
  value: number
}

export interface Counts<Label extends string> {
  /** The one counter for these labels: the same object each time. */
  labels(labels: Readonly<Record<Label, string>>): Count
}

/** Exposes these series from 0 on: `increase()` never sees the first value of one that begins at 1. Bounded, and at composition. */
export function fromZero<Label extends string>(
  counts: Counts<Label>,
  series: readonly Readonly<Record<Label, string>>[],
): void {
  for (const labels of series) counts.labels(labels)
}

export interface Durations<Label extends string> {
  labels(labels: Readonly<Record<Label, string>>): Duration
}

export interface Duration {
  observe(seconds: number): void
}

/** One sample of a gauge. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Metrics {
  readonly decisions: Counts<'contract' | 'decision' | 'reason'>
  readonly authDuration: Durations<'contract'>
  readonly logins: Counts<'outcome' | 'reason'>
  readonly handovers: Counts<'outcome' | 'reason'>
  readonly cacheRequests: Counts<'kind' | 'tier' | 'result'>
  readonly redisCommandDuration: Durations<'command'>
  readonly circuitTransitions: Counts<'to'>
  readonly invalidationLag: Durations<never>
  readonly journalDropped: Counts<never>
  /** Writes that Redis answered with a refusal. */
  readonly storeRefusals: Counts<'reason'>
  /** Calls that this process had no time to look after. */
  readonly ownDelays: Counts<never>
  readonly historyChanges: Counts<never>
  readonly standIns: Counts<'ground' | 'result'>
  readonly coherenceChecked: Counts<'result'>
  readonly replaysRejected: Counts<'kind'>
  readonly sessions: Counts<'event'>
  /** What providers said unasked. */
  readonly signals: Counts<'kind' | 'outcome' | 'reason'>
  /** Told to wait, by which limit. */
  readonly rateLimited: Counts<'limit'>
  readonly tokenRefreshes: Counts<'outcome'>
  /** Streams of reverse-proxy mode that were closed here, and why. */
  readonly streamsClosed: Counts<'reason'>
  readonly adminRequests: Counts<'action' | 'outcome'>
  readonly providerRequests: Durations<'operation' | 'outcome'>
  /** A gauge whose value is asked for at scrape time. `name` without the prefix `foregate_`. Registering twice is an error. */
  gauge(name: string, help: string, labelNames: readonly string[], read: () => readonly Sample[]): void
  /** Prometheus text exposition. */
  render(): Promise<string>
  readonly contentType: string
}
