import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createBoundTickets } from '../../src/http/bound-tickets.ts'
import { newTicket, parseTicket, ticketValue } from '../../src/session/ticket.ts'

const [older, newer] = [randomBytes(32), randomBytes(32)]
const bound = createBoundTickets([older], 'scope')
const ticket = ticketValue(newTicket(randomBytes))
const site = 'app.other.com'

test('a bound ticket has the shape of one, and the id of its session', () => {
  const value = bound.bind(ticket, site)
  assert.equal(parseTicket(value)?.id, parseTicket(ticket)?.id)
  assert.notEqual(value, ticket)
  assert.deepEqual(bound.unbind(value, site), [ticket])
})

test('another site, another deployment and another session do not take it off', () => {
  const value = bound.bind(ticket, site)
  assert.notDeepEqual(bound.unbind(value, 'wiki.third.org'), [ticket])
  assert.notDeepEqual(createBoundTickets([older], 'another').unbind(value, site), [ticket])
  const { id } = newTicket(randomBytes)
  assert.equal(
    bound.unbind(id + value.slice(22), site).some((each) => each.endsWith(ticket.slice(22))),
    false,
  )
})

test('what was bound by an older key is found beside a newer one; the newer one binds', () => {
  const rotated = createBoundTickets([newer, older], 'scope')
  assert.equal(rotated.unbind(bound.bind(ticket, site), site)[1], ticket)
  assert.equal(rotated.unbind(rotated.bind(ticket, site), site)[0], ticket)
})

test('what is no ticket stands for none', () => {
  for (const value of ['', 'A', 'A'.repeat(64), `${'A'.repeat(64)}B`]) assert.deepEqual(bound.unbind(value, site), [])
  assert.throws(() => bound.bind('planted', site), TypeError)
})
