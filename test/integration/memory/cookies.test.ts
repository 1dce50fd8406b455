// A random or damaged cookie never yields 200.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import * as fc from 'fast-check'
import { newTicket, ticketValue } from '../../../src/session/ticket.ts'
import { contractNames, type Contract } from '../../../src/config/contracts.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { scriptHeaders, sendRaw, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'

const app = await startTestApp({ after })
const mine = await app.login()
const yours = await app.login()
const ticket = mine.slice(sessionCookie.length + 1)
const other = yours.slice(sessionCookie.length + 1)

const statusOf = async (cookie: string, contract: Contract = 'traefik') =>
  (await app.ask(contract, { cookie, headers: scriptHeaders })).status

const bad: [name: string, value: string][] = [
  ['empty', ''],
  ['made up', ticketValue(newTicket(randomBytes))],
  ['an id with another ticket’s secret', ticket.slice(0, 22) + other.slice(22)],
  ['an id with a secret of zeros', ticket.slice(0, 22) + 'A'.repeat(43)],
  ['an id alone', ticket.slice(0, 22)],
  ['one character short', ticket.slice(0, -1)],
  ['one character long', `${ticket}A`],
  ['the ticket twice', ticket + ticket],
  ['in another case', ticket.toUpperCase()],
  ['percent-encoded', encodeURIComponent(`%${ticket}`)],
  ['a word of JavaScript', '__proto__'],
  ['very long', 'A'.repeat(20_000)],
  ['with bytes beyond ASCII', '\xff'.repeat(65)],
]
for (const [name, value] of bad) {
  test(`a cookie that is ${name} lets nobody in, under any contract`, async () => {
    for (const contract of contractNames) {
      assert.equal(await statusOf(`${sessionCookie}=${value}`, contract), 401, contract)
    }
  })
}

test('the good one does', async () => assert.equal(await statusOf(mine), 200))

const headers: [name: string, header: () => string, status: number][] = [
  ['a planted one before the good one', () => `${sessionCookie}=planted; ${mine}`, 200],
  ['a planted one behind the good one', () => `${mine}; ${sessionCookie}=planted`, 200],
  [
    'ten that look real before the good one, as those of a deeper path are',
    () =>
      [...Array.from({ length: 10 }, (_, at) => `${sessionCookie}=${'A'.repeat(64)}${'AEIMQUYcgk'[at]}`), mine].join(
        '; ',
      ),
    200,
  ],
  ['a planted one that looks real before the good one', () => `${sessionCookie}=${'A'.repeat(65)}; ${mine}`, 200],
  ['the good value under another name', () => `x${mine}`, 401],
  ['the good value inside another cookie', () => `a=${mine}`, 401],
  ['the good value quoted', () => `${sessionCookie}="${ticket}"`, 200],
  ['the name in another case', () => mine.replace('foregate', 'Foregate'), 401],
  ['five, the good one first', () => `${mine}${`; ${sessionCookie}=x`.repeat(4)}`, 401],
]
for (const [name, header, status] of headers) {
  test(`two cookies: ${name} is ${status}`, async () => assert.equal(await statusOf(header()), status))
}

test('a huge Cookie header is refused, not served', async () => {
  const request = `GET /auth/traefik HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}=${'A'.repeat(64_000)}\r\nconnection: close\r\n\r\n`
  assert.equal((await sendRaw(app.port, request)).status, 431)
})

test('the pass of an outage means nothing while the store answers', async () => {
  assert.equal(await statusOf(`foregate_pass=${'A'.repeat(400)}`), 401)
  assert.equal(await statusOf(`${sessionCookie}=${ticketValue(newTicket(randomBytes))}; foregate_pass=x`), 401)
})

test('property: no random or damaged cookie is ever let in, and none breaks anything', async () => {
  const damaged = fc
    .tuple(fc.nat(ticket.length - 1), fc.constantFrom(...'AZaz09-_ %"=,'.split('')))
    .map(([at, letter]) => ticket.slice(0, at) + letter + ticket.slice(at + 1))
    .filter((value) => value !== ticket)
  const printable = fc.stringMatching(/^[\x21-\x3a\x3c-\x7e]{0,200}$/)
  const value = fc.oneof(
    damaged,
    printable,
    fc.stringMatching(/^[\w-]{65}$/),
    printable.map((text) => `${text}; x=${text}`),
  )
  await fc.assert(
    fc.asyncProperty(value, fc.constantFrom(...contractNames), async (text, contract) => {
      fc.pre(!text.includes(ticket))
      assert.equal(await statusOf(`${sessionCookie}=${text}`, contract), 401)
    }),
    { numRuns: 300 },
  )
})

test('property: no random flow cookie or state completes a login', async () => {
  const text = fc.stringMatching(/^[\w.-]{0,80}$/)
  const before = app.provider.calls.token
  await fc.assert(
    fc.asyncProperty(text, text, text, async (id, value, state) => {
      const reply = await createHttpClient().send(
        `${app.url}/oauth2/callback?${new URLSearchParams({ state, code: 'x' }).toString()}`,
        { headers: { cookie: `foregate_flow_${id}=${value}` } },
      )
      assert.equal(reply.status, 400)
    }),
    { numRuns: 100 },
  )
  assert.equal(app.provider.calls.token, before)
})
