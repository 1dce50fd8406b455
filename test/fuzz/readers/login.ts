// Cookies, and the addresses and parameters of a login.
import { constraintOf } from '../../../src/http/oauth2-proxy-query.ts'
import { maxReturnURLLength } from '../../../src/http/return-url.ts'
import { codeOf, readCallback } from '../../../src/oidc/callback.ts'
import { responseHeaders } from '../../../src/proxy/headers.ts'
import { parseTicket } from '../../../src/session/ticket.ts'
import { asHeader } from '../recipes.ts'
import {
  session,
  type Reader,
  headerSize,
  config,
  addresses,
  browserCookies,
  app,
  someTicket,
  flows,
  started,
  passes,
  metadata,
  forApplication,
} from './parts.ts'

const cookieWords = [config.cookies.sessionName, config.cookies.flowPrefix, config.cookies.passName].flatMap((name) => [
  `${name}=`,
  `; ${name}`,
])

export const cookies: readonly Reader[] = [
  {
    name: 'the Cookie header',
    as: asHeader,
    largest: headerSize,
    words: cookieWords,
    run: (text) => {
      const here = browserCookies.on('app.example.com')
      const found = here.flows(text)
      for (const [, value] of found) flows.isHeldBy(started.flow, value)
      for (const ticket of here.tickets(text)) parseTicket(ticket)
      return passes.open(here.passes(text), someTicket)
    },
  },
  {
    name: 'the Cookie header that an application gets',
    as: asHeader,
    largest: headerSize,
    words: cookieWords,
    run: (text) => forApplication({ cookie: text }, {}, { for: 'a', proto: 'https', host: 'a' }),
  },
  {
    name: 'a sealed cookie',
    as: asHeader,
    largest: headerSize,
    start: started.cookie,
    run: (text) => flows.isHeldBy(started.flow, text),
  },
  { name: 'a ticket', as: asHeader, largest: headerSize, words: [someTicket.id], run: (text) => parseTicket(text) },
  {
    name: 'the names that an application may set',
    largest: headerSize,
    words: cookieWords,
    run: (text) =>
      responseHeaders(
        { 'set-cookie': text.split(','), connection: text, location: text },
        { ourCookieNames: browserCookies.isOurs, upstreamOrigin: 'http://a', publicOrigin: 'https://b' },
      ),
  },
]

export const addressesOfLogins: readonly Reader[] = [
  ...['', '/', 'https://', 'https://app.example.com/', 'https://a.'].map((start) => ({
    name: `the return address that begins with "${start}"`,
    largest: maxReturnURLLength,
    start,
    words: ['https://', 'xn--', '/%2f', '%5c', 'app.example.com'],
    run: (text: string) => {
      const url = addresses.returnURL(app, text)
      return url === undefined ? undefined : addresses.startURL(app, url)
    },
  })),
  {
    name: 'a return address that is too long',
    as: asHeader,
    largest: headerSize,
    start: '/',
    run: (text) => addresses.returnURL(app, text),
  },
  {
    name: 'the query of oauth2-proxy, for somebody with as many groups',
    as: asHeader,
    largest: headerSize,
    start: 'allowed_groups=',
    words: ['a,', 'allowed_groups=', '&allowed_emails=', 'allowed_email_domains='],
    run: (text) => {
      const groups = text.split(/[,.&]/).map((group) => `${group}-`)
      return constraintOf(text, 'groups')?.({ ...session, claims: { groups, email: `a@${text}` } })
    },
  },
  ...['', 'state=a&code=', 'iss=', 'error='].map((start) => ({
    name: `the callback's query after ${start}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: ['state=', 'code=', 'iss=', 'error='],
    run: (text: string) =>
      codeOf(
        readCallback({ query: text, state: 'a', redirectURI: '', nonce: '', codeVerifier: '' }),
        metadata,
        (issuer) => issuer === metadata.issuer,
      ),
  })),
  {
    name: 'the state of a callback',
    largest: headerSize,
    start: started.state,
    run: (text) => flows.read(text),
  },
]
