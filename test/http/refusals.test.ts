import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BadRequest,
  ConfigInvalid,
  LoginRejected,
  ProviderUnavailable,
  RefreshRejected,
  StoreUnavailable,
  StoreValueRejected,
} from '../../src/errors.ts'
import { createRefusals, statusAndReason } from '../../src/http/refusals.ts'
import { createPages } from '../../src/pages/create-pages.ts'

const refusals = createRefusals(createPages({ name: 'Test', logo: undefined, accentColor: undefined }))
const person = { method: 'GET', headers: { accept: 'text/html' }, requestId: 'r-1' }
const program = { method: 'GET', headers: {}, requestId: 'r-1' }

const errors: [error: unknown, status: number, reason: string][] = [
  [new LoginRejected('state_unknown', 'm'), 400, 'state_unknown'],
  [new LoginRejected('id_token_nonce', 'm'), 403, 'id_token_nonce'],
  [new LoginRejected('id_token_missing', 'm'), 502, 'id_token_missing'],
  [new StoreUnavailable('m'), 503, 'store_unavailable'],
  [new ProviderUnavailable('m'), 503, 'provider_unavailable'],
  [new BadRequest('m'), 400, 'bad_request'],
  [new StoreValueRejected('m'), 500, 'store_value_rejected'],
  [new RefreshRejected('invalid_grant', 'm'), 500, 'refresh_rejected'],
  [new ConfigInvalid([]), 500, 'config_invalid'],
  [new TypeError('m'), 500, 'internal'],
  ['a string', 500, 'internal'],
  [undefined, 500, 'internal'],
]
for (const [error, status, reason] of errors) {
  test(`${error instanceof Error ? error.constructor.name : String(error)} is ${status} ${reason}, never a login`, () => {
    assert.deepEqual(statusAndReason(error), [status, reason])
    assert.notEqual(status, 401)
  })
}

test('a person gets a page, a program JSON, both with the code and the request’s id and without cookies', () => {
  const page = refusals.refuse(person, 403, 'denied_by_rule')
  assert.match(page.headers['content-type'] ?? '', /^text\/html/)
  for (const text of ['denied_by_rule', 'r-1']) assert.ok(page.body.includes(text))
  const json = refusals.refuse(program, 403, 'denied_by_rule')
  assert.deepEqual(JSON.parse(json.body), { error: 'denied_by_rule', request_id: 'r-1' })
  for (const answer of [page, json]) {
    assert.equal(answer.headers['x-request-id'], 'r-1')
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.deepEqual(answer.cookies, [])
  }
})

test('"later" says when; nothing else does', () => {
  assert.equal(refusals.forError(person, new StoreUnavailable('m')).headers['retry-after'], '5')
  assert.equal(refusals.forError(program, new ProviderUnavailable('m')).headers['retry-after'], '5')
  assert.equal(refusals.refuse(program, 403, 'x').headers['retry-after'], undefined)
})

test('the message of an error, which is for the log, is not shown', () => {
  for (const asked of [person, program]) {
    const answer = refusals.forError(asked, new TypeError('secret detail'))
    assert.equal(answer.body.includes('secret detail'), false)
  }
})
