// Microsoft's addresses for many organisations: whose tokens count.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { createIssuers, mayKeySign, tenantIn } from '../../src/oidc/tenants.ts'
import { aWorld, configFor, flow, outcomeOf, settled } from './setup.ts'

const ours = '9188040d-6c67-4c5b-b112-36a304b66dad'
const theirs = '11111111-2222-3333-4444-555555555555'
const base = 'https://login.microsoftonline.com'
const template = `${base}/{tenantid}/v2.0`

interface Token {
  readonly allowed?: readonly string[]
  readonly tid?: unknown
  /** The organisation in its `iss`. */
  readonly iss?: string
  /** The organisation whose tokens its key is for. */
  readonly keyOf?: string
  readonly callbackIss?: string
}

async function microsoft(t: TestContext, { allowed = [ours], tid = ours, iss = ours, keyOf, callbackIss }: Token = {}) {
  const it = await aWorld(t, { start: false })
  const { op } = it
  op.sendsIss = false
  op.discovery = (document) => ({ ...document, issuer: `${op.issuer}/{tenantid}/v2.0` })
  op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, iss: `${op.issuer}/${iss}/v2.0`, tid } })
  const named = keyOf === undefined ? {} : { issuer: `${op.issuer}/${keyOf}/v2.0` }
  op.jwks = (keys) => ({ keys: keys.map((key) => ({ ...key, ...named })) })
  const provider = it.another({
    config: configFor(op, {
      providerURL: `${op.issuer}/common/v2.0`,
      discoveryURL: `${op.issuer}/.well-known/openid-configuration`,
      tenants: allowed,
    }),
  })
  provider.start()
  await settled(provider)
  const said = callbackIss === undefined ? '' : `&iss=${encodeURIComponent(`${op.issuer}/${callbackIss}/v2.0`)}`
  const login = () => provider.exchangeCode({ ...flow, query: it.query() + said })
  return { ...it, provider, login }
}

const logins: [name: string, token: Token, outcome: string][] = [
  ['of an organisation that is named', {}, 'ok'],
  ['of any, where any may come', { allowed: ['*'], tid: theirs, iss: theirs }, 'ok'],
  ['with a key for all organisations', { keyOf: '{tenantid}' }, 'ok'],
  ['with a key of that organisation', { keyOf: ours }, 'ok'],
  ['of another organisation', { tid: theirs, iss: theirs }, 'id_token_issuer'],
  ['of another organisation that says it is ours by tid', { tid: ours, iss: theirs }, 'id_token_issuer'],
  ['of ours by iss, of another by tid', { tid: theirs, iss: ours }, 'id_token_issuer'],
  ['without tid', { tid: null }, 'id_token_issuer'],
  ['whose tid is no id', { allowed: ['*'], tid: 'common', iss: 'common' }, 'id_token_issuer'],
  ['whose tid would leave the path', { allowed: ['*'], tid: '../x', iss: '../x' }, 'id_token_issuer'],
  ['with a key of another organisation', { keyOf: theirs }, 'id_token_signature'],
  ['that came with the issuer of a named one', { callbackIss: ours }, 'ok'],
  ['that came with the issuer of another one', { callbackIss: theirs }, 'iss_mismatch'],
]
for (const [name, token, outcome] of logins) {
  test(`a login ${name}: ${outcome}`, async (t) => {
    const { login } = await microsoft(t, token)
    assert.equal(await outcomeOf(login()), outcome)
  })
}

test('a refresh stays with the organisation that the session is of', async (t) => {
  const { op, provider, login } = await microsoft(t, { allowed: [ours, theirs] })
  const grant = await login()
  const expected = { issuer: `${op.issuer}/${ours}/v2.0`, subject: String(grant.claims['sub']) }
  assert.equal(grant.claims['iss'], expected.issuer)
  op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, iss: `${op.issuer}/${theirs}/v2.0`, tid: theirs } })
  assert.equal(await outcomeOf(provider.refresh(grant.tokens, expected)), 'issuer_changed')
})

describe('issuers', () => {
  test('of one organisation are the one that is configured', () => {
    const { announced, includes, of } = createIssuers(`${base}/${ours}/v2.0`, undefined)
    assert.deepEqual(
      [announced, includes(announced), includes(`${base}/${theirs}/v2.0`)],
      [`${base}/${ours}/v2.0`, true, false],
    )
    assert.equal(of({ tid: theirs }), announced)
  })
  for (const word of ['common', 'organizations', 'consumers']) {
    test(`of ${word} are made of Microsoft's template`, () => {
      const { announced, includes } = createIssuers(`${base}/${word}/v2.0`, [ours])
      assert.equal(announced, template)
      assert.deepEqual(
        [includes(`${base}/${ours}/v2.0`), includes(`${base}/${theirs}/v2.0`), includes(template)],
        [true, false, false],
      )
    })
  }
  test('are no others than the template makes', () => {
    for (const issuer of [`https://evil.example/${ours}/v2.0`, `${base}/${ours}/v2.0/`, `${base}/a/${ours}/v2.0`, '']) {
      assert.equal(tenantIn(template, issuer), undefined, issuer)
    }
  })
})

test('a key that says nothing of issuers may sign for each', () => {
  assert.equal(mayKeySign({}, undefined), true)
  assert.equal(mayKeySign({ issuer: template }, `${base}/${ours}/v2.0`), true)
  assert.equal(mayKeySign({ issuer: template }, undefined), false)
})
