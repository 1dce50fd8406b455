// What is said of a request: to a person, in the log, to the application behind us.
import { maxReturnURLLength } from '../../../src/http/return-url.ts'
import { createPages } from '../../../src/pages/create-pages.ts'
import { createUpstreamChoice, readTarget, upstreamPath } from '../../../src/proxy/target.ts'
import { createLogger } from '../../../src/telemetry/pino.ts'
import { redactFields, redactText } from '../../../src/telemetry/redact.ts'
import { asHeader } from '../recipes.ts'
import { type Reader, headerSize, logTextSize, config, forApplication } from './parts.ts'

const pages = createPages(config.pages)

export const answers: readonly Reader[] = [
  {
    name: 'the pages',
    // An address to come back to, percent-encoded inside another one.
    largest: 3 * maxReturnURLLength,
    words: ['javascript:', 'https://', '&amp;'],
    run: (text) => {
      const user = text
      pages.forbidden({ user, switchAccountURL: text, logoutURL: `/${text}`, requestId: text, reason: text })
      pages.confirmLogout({ action: `https://a/${text}`, user, sessionsURL: text })
      const session = { id: text, createdAt: 0, lastSeenAt: 0, network: text, browser: text }
      pages.sessions({ user, action: text, homeURL: text, now: 0, current: session, others: [session], hasMore: true })
      pages.signIn({ loginURL: text })
      pages.error({ status: 400, reason: text, requestId: text, retryURL: `https://a/${text}` })
      return pages.signedOut({ loginURL: text })
    },
  },
  {
    name: 'text in the log',
    largest: logTextSize,
    words: ['https://a:b@', '?code=', '#a=', 'Bearer abcdefgh', 'eyJa.b.c', '/a?b', '&a=b', 'eyJ-'],
    run: (text) => redactText(text),
  },
  {
    name: 'a line of the log',
    largest: logTextSize,
    words: ['https://a:b@', '?code=', 'eyJa.b.c'],
    run: (text) => logger.warn({ event: 'a', path: text, list: [text], deep: { [text]: text } }, text),
  },
  {
    name: 'an error in the log',
    largest: logTextSize,
    run: (text) => redactFields({ err: new Error(text, { cause: Object.assign(new Error(text), { code: text }) }) }),
  },
]
const logger = createLogger({ level: 'warn', destination: { write: () => {} } })

const choose = createUpstreamChoice(config.upstreams)

export const proxied: readonly Reader[] = [
  ...['/', '/a', '/?', '/a//b'].map((start) => ({
    name: `what a request is proxied to, after ${start}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: ['/a/b/c', '//', '..;'],
    run: (text: string) => {
      const target = readTarget(text)
      if (target === undefined) return
      // Whether its prefix was in the path shows only where it is chosen: any upstream may be.
      for (const host of ['app.example.com', text]) choose(host, target.path)
      for (const config of upstreams)
        upstreamPath({ config, host: undefined, origin: '', authority: '', basePath: '/base' }, target)
    },
  })),
  {
    name: 'the names of headers that an application gets',
    as: asHeader,
    largest: headerSize,
    words: ['x-forwarded-', 'x_auth_request_', '__proto__'],
    run: (text) => {
      // Node counts no more headers than these.
      const names = text.split(/[ ,;:=]/, 2_000)
      forApplication(
        Object.fromEntries(names.map((name, at) => [name + at, name])),
        {},
        { for: 'a', proto: 'https', host: 'a' },
      )
      return forApplication({ [text]: 'a' }, {}, { for: 'a', proto: 'https', host: 'a' })
    },
  },
]
const { upstreams } = config
