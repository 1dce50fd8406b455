import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { newTicket, parseTicket, ticketValue } from '../../src/session/ticket.ts'

test('a ticket is 65 characters that a cookie can hold, and is read back as it was', () => {
  const ticket = newTicket(randomBytes)
  assert.match(ticketValue(ticket), /^[A-Za-z0-9_-]{65}$/)
  assert.deepEqual(parseTicket(ticketValue(ticket)), ticket)
})

test('no two tickets share id or secret', () => {
  const tickets = Array.from({ length: 1_000 }, () => newTicket(randomBytes))
  assert.equal(new Set(tickets.flatMap(({ id, secret }) => [id, secret])).size, 2_000)
})

const zeros = ticketValue({ id: 'A'.repeat(22), secret: 'A'.repeat(43) })
const refused: [name: string, value: string][] = [
  ['empty', ''],
  ['one character short', zeros.slice(1)],
  ['one character long', `${zeros}A`],
  ['with a newline behind', `${zeros}\n`],
  ['with a newline in front', `\n${zeros}`],
  ['with padding', `${zeros.slice(0, -1)}=`],
  ['in base64 rather than base64url', `+${zeros.slice(1)}`],
  ['percent-encoded', `%41${zeros.slice(3)}`],
  ['with bits of the id that decode to nothing', `${'A'.repeat(21)}B${'A'.repeat(43)}`],
  ['with bits of the secret that decode to nothing', `${'A'.repeat(64)}B`],
  ['with a letter beyond ASCII', `${'A'.repeat(30)}Ā${'A'.repeat(34)}`],
  ['very long', 'A'.repeat(100_000)],
]
for (const [name, value] of refused) {
  test(`what we cannot have issued is no ticket: ${name}`, () => assert.equal(parseTicket(value), undefined))
}
test('the plain one of these is a ticket', () => assert.notEqual(parseTicket(zeros), undefined))

test('property: whatever parses is the one spelling of its bytes', () => {
  const letters = fc.stringMatching(/^[\w-]{65}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string(), letters), (value) => {
      const ticket = parseTicket(value)
      if (ticket === undefined) return
      assert.equal(Buffer.from(ticket.id, 'base64url').toString('base64url'), value.slice(0, 22))
      assert.equal(Buffer.from(ticket.secret, 'base64url').toString('base64url'), value.slice(22))
      assert.equal(Buffer.from(ticket.id, 'base64url').length, 16)
      assert.equal(Buffer.from(ticket.secret, 'base64url').length, 32)
    }),
    { numRuns: 500 },
  )
})
