// The same over the wire: what Node's parser, the router and every handler make of one request's line and headers. A request that
// takes long is one that all others wait for.
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { suite, test } from 'node:test'
import { startTestApp, browserHeaders } from '../fixtures/in-process-app.ts'
import { cpuMs, highestRatio, step } from './growth.ts'
import { asHeader, cook, knownRecipes, spelled } from './recipes.ts'

/** The text at its longest; the whole head of a request is at most 32 KB. */
const largest = 24 * 1024
/** What an answer may take longer than to a short request, whatever the growth: less cannot be told from what else the process does. */
const nothingMs = 2
/** What else is in the difference of two best looks. */
const elseMs = 0.05
const looks = 15

interface Place {
  readonly name: string
  readonly path: (text: string) => string
  readonly headers: (text: string) => Readonly<Record<string, string>>
}

const inPath = (name: string, path: (text: string) => string): Place => ({ name, path, headers: () => browserHeaders })
const inHeader = (path: string, header: string, before = ''): Place => ({
  name: `${header} of ${path}`,
  path: () => path,
  headers: (text) => ({ ...browserHeaders, 'sec-fetch-site': 'same-origin', [header]: before + text }),
})
const described = (header: string, before = ''): Place => ({
  name: `${header} of /auth/traefik`,
  path: () => '/auth/traefik',
  headers: (text) => ({
    ...browserHeaders,
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': '/wanted',
    [header]: before + text,
  }),
})
/** An old browser, which says where it comes from in one header only. */
const withoutSite = (path: string, header: string, before: string): Place => ({
  name: `${header} of ${path}, as the only word for where it comes from`,
  path: () => path,
  headers: (text) => ({ accept: 'text/html', [header]: before + text }),
})

const places: readonly Place[] = [
  inPath('a path of ours', (text) => `/oauth2/${text}`),
  inPath('a path of nobody', (text) => `/${text}`),
  inPath('a query', (text) => `/oauth2/sign_in?${text}`),
  inPath('a return address', (text) => `/oauth2/start?rd=/${text}`),
  inPath('a callback', (text) => `/oauth2/callback?state=a&code=${text}`),
  inPath('a path that Envoy asks about', (text) => `/auth/envoy/${text}`),
  inHeader('/oauth2/callback?state=a&code=b', 'cookie'),
  inHeader('/oauth2/userinfo', 'cookie', 'foregate_session='),
  inHeader('/oauth2/sign_in', 'host', 'a'),
  inHeader('/oauth2/sign_in', 'content-type', 'a/'),
  inHeader('/oauth2/sign_in', 'x-request-id'),
  inHeader('/oauth2/sign_in', 'a-header-of-nobody'),
  withoutSite('/oauth2/logout', 'referer', 'http://a'),
  withoutSite('/oauth2/logout', 'referer', 'http://127.0.0.1/'),
  described('x-forwarded-uri', '/'),
  described('x-forwarded-host', 'a'),
  described('x-forwarded-for', '127.0.0.1,'),
  described('cookie', '; foregate_session='),
  described('accept', 'text/html,'),
]
/** To script, a login's way back is the page that it is on. */
const fromScript: Place = {
  ...described('referer', 'https://app.example.com/'),
  name: 'referer of a script that is not logged in',
  headers: (text) => ({ ...described('referer', 'https://a').headers(text), 'sec-fetch-mode': 'cors' }),
}
const ofPost: Place = {
  name: 'origin of a POST to /oauth2/logout',
  path: () => '/oauth2/logout',
  headers: (text) => ({ accept: 'text/html', origin: `http://a${text}` }),
}

suite('a request takes a time that grows with its length (A1, B10)', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })

  /** ms of CPU until the whole answer is there, on both sides. */
  const timed = (
    port: number,
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<number> =>
    new Promise((resolve, reject) => {
      const startedAt = cpuMs()
      request({ port, host: '127.0.0.1', agent, method, path, headers }, (response) => {
        response.resume().on('end', () => resolve(cpuMs() - startedAt))
      })
        .on('error', reject)
        .end()
    })

  test('wherever in it a stranger puts what', async (t) => {
    const app = await startTestApp(t)
    t.after(() => agent.destroy())
    for (const place of [...places, fromScript, ofPost]) {
      const method = place === ofPost ? 'POST' : 'GET'
      const look = (text: string) => timed(app.port, method, place.path(inTarget(text)), place.headers(text))
      const fastest = async (text: string, times: number) => {
        let best = Infinity
        for (let time = 0; time < times; time++) best = Math.min(best, await look(text))
        return best
      }
      let emptyMs = await fastest('', looks)
      for (const recipe of knownRecipes({ words: ['foregate_session=', 'foregate_flow_', '10.0.0.1,'] })) {
        const text = (size: number) => asHeader(cook(recipe, size)).slice(0, size).trim()
        if ((await fastest(text(largest), 2)) - emptyMs < nothingMs) continue
        // Again, because the first requests of all were slow.
        emptyMs = Math.min(emptyMs, await fastest('', looks))
        const smallMs = (await fastest(text(largest / step), looks)) - emptyMs
        const largeMs = (await fastest(text(largest), looks)) - emptyMs
        assert.ok(
          largeMs < nothingMs || largeMs <= highestRatio * (smallMs + elseMs),
          `${place.name}: ${smallMs.toFixed(2)} -> ${largeMs.toFixed(2)} ms more than for nothing, for ${spelled(recipe)}`,
        )
      }
    }
  })
})

/** What can stand in a request line. */
const inTarget = (text: string): string => text.replace(/[^\x21-\x7e]/g, '_')
