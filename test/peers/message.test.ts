import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createMessages, maxMessageBytes, type Signed } from '../../src/peers/message.ts'
import { aMessage, aReply, key, newKey, scope } from './fixture.ts'

const messages = createMessages([key], scope)
const stamped = { message: aMessage(), seq: 7, sentAt: 1_700_000_000_000 }
const question = messages.ask(stamped)

test('a question is understood as it was meant', () => {
  assert.deepEqual(messages.readAsk(question), stamped)
  const full = { ...stamped, message: aMessage({ after: { origin: 'receiver-1', seq: 3 }, leaving: true }) }
  assert.deepEqual(messages.readAsk(messages.ask(full)), full)
})

test('an answer is understood as it was meant', () => {
  for (const reply of [
    aReply(),
    aReply({ horizonAgeMs: undefined, more: true, entries: [{ id: 'a', floor: 2, expiresAt: 5 }] }),
  ]) {
    assert.deepEqual(messages.readAnswer(messages.answer(reply, question.mac), question.mac), reply)
  }
})

test('what no peer has signed is not ours', () => {
  const { body, mac } = question
  const other = (keys: Buffer[], name: string) => createMessages(keys, name).readAsk(question)
  assert.equal(other([newKey], scope), 'not_ours', 'another key')
  assert.equal(other([key], `${scope}x`), 'not_ours', 'another provider, client or prefix')
  assert.equal(messages.readAsk({ body: Buffer.concat([body, Buffer.from(' ')]), mac }), 'not_ours', 'a byte more')
  assert.equal(messages.readAsk({ body, mac: '' }), 'not_ours', 'not signed')
  assert.equal(messages.readAsk({ body, mac: 'A'.repeat(43) }), 'not_ours', 'signed with nothing')
  const byKeyItself = createHmac('sha256', key).update('ask ').update(body).digest('base64url')
  assert.equal(messages.readAsk({ body, mac: byKeyItself }), 'not_ours', 'the key is never used as it is')
})

test('an answer to another question, and a question sent back, are no answers', () => {
  const other = messages.ask({ ...stamped, seq: 8 })
  const answer = messages.answer(aReply(), question.mac)
  assert.equal(messages.readAnswer(answer, other.mac), 'not_ours')
  assert.equal(messages.readAnswer(question, question.mac), 'not_ours')
  assert.equal(messages.readAsk(answer), 'not_ours')
})

test('while keys are rolled over, replicas understand each other', () => {
  const before = createMessages([key, newKey], scope)
  const after = createMessages([newKey, key], scope)
  for (const [sender, receiver] of [
    [before, after],
    [after, before],
  ] as const) {
    const asked = sender.ask(stamped)
    assert.deepEqual(receiver.readAsk(asked), stamped)
    assert.deepEqual(sender.readAnswer(receiver.answer(aReply(), asked.mac), asked.mac), aReply())
  }
})

// Signed as a peer would: only its shape is wrong.
const derived = createHmac('sha256', key).update(`foregate peer ${scope}`).digest()
function signedAsk(text: string): Signed {
  const body = Buffer.from(text)
  return { body, mac: createHmac('sha256', derived).update('ask ').update(body).digest('base64url') }
}
function signedAnswer(text: string): Signed {
  const body = Buffer.from(text)
  return { body, mac: createHmac('sha256', derived).update(`answer ${question.mac} `).update(body).digest('base64url') }
}
const goodAsk = { origin: 'a', entries: [['id', 1, 9]], leaving: false, seq: 1, sentAt: 1 }
const goodReply = { origin: 'a', entries: [], seq: 1, more: false, horizonAgeMs: 1 }

const badAsks: [name: string, ask: unknown][] = [
  ['nothing', null],
  ['a list', []],
  ['no origin', { ...goodAsk, origin: undefined }],
  ['an origin of other letters', { ...goodAsk, origin: 'a b' }],
  ['a long origin', { ...goodAsk, origin: 'a'.repeat(65) }],
  ['no entries', { ...goodAsk, entries: undefined }],
  ['an entry that is no pair', { ...goodAsk, entries: ['id'] }],
  ['an id of other letters', { ...goodAsk, entries: [['a/b', 1, 9]] }],
  ['a long id', { ...goodAsk, entries: [['a'.repeat(129), 1, 9]] }],
  ['a floor of 0', { ...goodAsk, entries: [['id', 0, 9]] }],
  ['a floor above all', { ...goodAsk, entries: [['id', 4_294_967_296, 9]] }],
  ['no life', { ...goodAsk, entries: [['id', 1]] }],
  ['a life that is over', { ...goodAsk, entries: [['id', 1, -1]] }],
  ['half a floor', { ...goodAsk, entries: [['id', 1.5, 9]] }],
  ['1,001 entries', { ...goodAsk, entries: Array.from({ length: 1_001 }, (_, index) => [`id${index}`, 1, 9]) }],
  ['a negative number', { ...goodAsk, seq: -1 }],
  ['a number beyond counting', { ...goodAsk, seq: 2 ** 53 }],
  ['no time', { ...goodAsk, sentAt: 'now' }],
  ['leaving perhaps', { ...goodAsk, leaving: 1 }],
  ['an answer to nobody', { ...goodAsk, after: { origin: '', seq: 1 } }],
  ['an answer to nothing', { ...goodAsk, after: 7 }],
]
for (const [name, ask] of badAsks) {
  test(`a peer’s message that is malformed counts for nothing: ${name}`, () =>
    assert.equal(messages.readAsk(signedAsk(JSON.stringify(ask))), 'malformed'))
}

const badReplies: [name: string, reply: unknown][] = [
  ['no origin', { ...goodReply, origin: 1 }],
  ['no more or less', { ...goodReply, more: 'no' }],
  ['a horizon that lies ahead', { ...goodReply, horizonAgeMs: -1 }],
  ['a horizon of no age', { ...goodReply, horizonAgeMs: null }],
  ['a horizon in words', { ...goodReply, horizonAgeMs: '1' }],
]
for (const [name, reply] of badReplies) {
  test(`a peer’s answer that is malformed counts for nothing: ${name}`, () =>
    assert.equal(messages.readAnswer(signedAnswer(JSON.stringify(reply)), question.mac), 'malformed'))
}

test('what is no JSON is malformed', () => {
  assert.equal(messages.readAsk(signedAsk('{')), 'malformed')
  assert.equal(messages.readAsk(signedAsk('')), 'malformed')
})

test('what a newer version adds is no fault', () => {
  const newer = { ...goodAsk, entries: [['id', 1, 9, 'more']], also: { this: 1 } }
  const read = messages.readAsk(signedAsk(JSON.stringify(newer)))
  assert.deepEqual(typeof read === 'string' ? read : read.message.entries, [{ id: 'id', floor: 1, expiresAt: 9 }])
})

test('the longest message fits', () => {
  const entries = Array.from({ length: 1_000 }, (_, index) => ({
    id: String(index).padStart(128, 'x'),
    floor: 4_294_967_295,
    expiresAt: 9_999_999_999_999,
  }))
  const longest = { ...stamped, message: aMessage({ entries }) }
  const { body } = messages.ask(longest)
  assert.ok(body.length < maxMessageBytes, `${body.length}`)
  assert.deepEqual(messages.readAsk(messages.ask(longest)), longest)
})

test('an entry that no receiver would take does not keep the others from it', () => {
  const entries = [
    { id: 'not an id', floor: 1, expiresAt: 1 },
    { id: 'good', floor: 2, expiresAt: 1 },
  ]
  const read = messages.readAsk(messages.ask({ ...stamped, message: aMessage({ entries }) }))
  assert.deepEqual(typeof read === 'string' ? read : read.message.entries, [{ id: 'good', floor: 2, expiresAt: 1 }])
})

test('no reader ever throws, and believes nothing, whatever comes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, mac) => {
      const signed = { body: Buffer.from(bytes), mac }
      assert.equal(messages.readAsk(signed), 'not_ours')
      assert.equal(messages.readAnswer(signed, mac), 'not_ours')
    }),
  )
})
