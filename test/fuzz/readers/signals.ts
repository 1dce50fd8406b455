// What anybody may send to the addresses where a provider speaks to us, and what a provider may write there.
import { maxBodyBytes } from '../../../src/http/body.ts'
import { checkLogoutToken } from '../../../src/oidc/logout-token.ts'
import { checkSecurityEventToken } from '../../../src/oidc/security-event-token.ts'
import { wantedBy } from '../../../src/signals/event-types.ts'
import { createFrontChannelLogout } from '../../../src/signals/frontchannel-logout.ts'
import { readSubject } from '../../../src/signals/subject.ts'
import { clock, type Reader } from './parts.ts'

const expected = { audiences: ['client'], clockSkewMs: 0, now: clock() }
const seconds = clock() / 1_000
const logoutEvent = { 'http://schemas.openid.net/event/backchannel-logout': {} }
const usual = { aud: 'client', iat: seconds, exp: seconds + 60, jti: 'j', sub: 'alice' }
const frontChannel = createFrontChannelLogout({
  isIssuer: () => true,
  endSelected: () => Promise.resolve({ ended: 0, isKept: true }),
  clockSkewMs: 0,
  clock,
})

export const signals: readonly Reader[] = [
  {
    name: 'a form with a logout token',
    largest: maxBodyBytes,
    start: 'logout_token=',
    words: ['&logout_token=', '%41'],
    run: (text) => new URLSearchParams(text).getAll('logout_token'),
  },
  {
    name: 'the query of a logout frame',
    largest: 8_192,
    start: 'iss=https://id.example.com&sid=',
    words: ['&sid=', '&iss='],
    run: (text) => frontChannel.read(text),
  },
  {
    name: 'the claims of a logout token',
    largest: maxBodyBytes,
    words: ['client,'],
    run: (text) => {
      const claims = { ...usual, aud: text.split(','), sid: text, jti: text, events: { ...logoutEvent, [text]: text } }
      checkLogoutToken({ algorithm: 'ES256', type: `${text}jwt`, claims: usual }, expected)
      return checkLogoutToken({ algorithm: 'ES256', type: undefined, claims }, expected)
    },
  },
  {
    name: 'the events of a security event token',
    largest: maxBodyBytes,
    words: ['https://schemas.openid.net/secevent/,'],
    run: (text) => {
      const events = Object.fromEntries(text.split(',').map((type) => [type, { change_type: text }]))
      for (const [type, payload] of Object.entries(events)) wantedBy(type, payload, ['revoke'])
      return checkSecurityEventToken(
        { algorithm: 'ES256', type: 'secevent+jwt', claims: { ...usual, events } },
        expected,
      )
    },
  },
  {
    name: 'the subject of a security event',
    largest: maxBodyBytes,
    words: ['iss_sub,', 'aliases,', '-'],
    run: (text) => {
      const alias = { format: text, iss: text, sub: text, id: text }
      const identifiers = text.split(',').map((format) => ({ ...alias, format }))
      const user = { format: 'aliases', identifiers }
      for (const value of [alias, user, { format: 'complex', user, session: alias }]) readSubject(value, () => true)
    },
  },
]
