// What we say to a browser or a proxy, as data: Fastify sends it, the forward-auth endpoints relay it, tests read it.

export interface Answer {
  readonly status: number
  /** Lower-case names; values already safe for a header. */
  readonly headers: Readonly<Record<string, string>>
  /** Whole Set-Cookie values. */
  readonly cookies: readonly string[]
  readonly body: string
}
