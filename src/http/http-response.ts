// What we say to a browser or a proxy, as data: Fastify sends it, the forward-auth endpoints relay it, tests read it.

export interface HttpResponse {
  readonly status: number
  /** Lower-case names; values already safe for a header. */
  readonly headers: Readonly<Record<string, string>>
  /** Whole Set-Cookie values. */
  readonly cookies: readonly string[]
  readonly body: string
}

const noStore = { 'cache-control': 'no-store' }

/** `location`: absolute. Traefik would resolve a relative one against our own address. */
export const redirect = (status: 302 | 303, location: string, cookies: readonly string[] = []): HttpResponse => ({
  status,
  headers: { ...noStore, location, 'referrer-policy': 'no-referrer' },
  cookies,
  body: '',
})

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpResponse => ({
  status,
  headers: { ...noStore, 'content-type': 'application/json; charset=utf-8', ...headers },
  cookies: [],
  body: `${JSON.stringify(body)}\n`,
})

/** There is nothing more to say. */
export const empty = (status: number): HttpResponse => ({ status, headers: noStore, cookies: [], body: '' })

export const page = (
  status: number,
  html: string,
  pageHeaders: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse => ({ status, headers: { ...pageHeaders, ...headers }, cookies: [], body: html })
