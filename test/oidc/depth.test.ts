// Claims and documents nested so deep that whoever walks over them by recursion runs out of stack.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CompactSign } from 'jose'
import { isTooDeep } from '../../src/oidc/json.ts'
import type { IDTokenDraft } from '../fixtures/provider.ts'
import { aWorld, outcomeOf } from './setup.ts'

const wantsGroups = { claimsWanted: ['groups'] }
const alice = { sub: 'alice', email: 'alice@example.com' }

/** `{ "groups": [[[…]]] }` beside the other claims, as text: whoever writes it by recursion runs out of stack as well. */
const nested = (claims: Record<string, unknown>, levels: number, open = '[', close = ']') =>
  `${JSON.stringify(claims).slice(0, -1)},"groups":${open.repeat(levels)}0${close.repeat(levels)}}`

function signed({ claims, header, key }: IDTokenDraft, levels: number): Promise<string> {
  return new CompactSign(new TextEncoder().encode(nested(claims, levels))).setProtectedHeader(header).sign(key)
}

/** As many as fit into a token of 64 KB. */
const hostile = 20_000

describe('what is nested too deep', () => {
  test('is seen whatever it is made of, without a stack', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = (levels: number): unknown => JSON.parse(open.repeat(levels) + 0 + close.repeat(levels))
      assert.equal(isTooDeep(deep(32)), false)
      assert.equal(isTooDeep(deep(33)), true)
      assert.equal(isTooDeep(deep(100_000)), true)
    }
    assert.equal(isTooDeep(Array.from({ length: 100_000 }, () => ({ a: [1] }))), false)
  })

  test('as an ID token ends the login, and 31 levels within the claims do not', async (t) => {
    const { op, login, provider } = await aWorld(t, { options: wantsGroups })
    for (const [levels, outcome] of [
      [31, 'ok'],
      [32, 'claims_too_large'],
      [hostile, 'claims_too_large'],
    ] as const) {
      op.idToken = (draft) => signed(draft, levels)
      assert.equal(await outcomeOf(login()), outcome, `${levels} levels`)
    }
    assert.equal(provider.status(), 'ready')
  })

  test('as an ID token at a refresh is no news, but never one about somebody else', async (t) => {
    const { op, login, provider, log } = await aWorld(t, { options: wantsGroups })
    const { tokens } = await login()
    const expected = { issuer: op.issuer, subject: 'alice' }
    op.idToken = (draft) => signed(draft, hostile)
    const grant = await provider.refresh(tokens, expected)
    assert.deepEqual([grant.claims, grant.tokens.idToken], [undefined, tokens.idToken])
    assert.match(
      String(log.lines.find(({ event }) => event === 'refresh_identity_unverified')?.['detail']),
      /more than 32 levels/,
    )
    op.idToken = (draft) => signed({ ...draft, claims: { ...draft.claims, sub: 'mallory' } }, hostile)
    assert.equal(await outcomeOf(provider.refresh(grant.tokens, expected)), 'subject_changed')
  })

  test('at UserInfo, plain or signed, ends the login and keeps the identity at a refresh', async (t) => {
    const { op, login, provider } = await aWorld(t, { provider: { person: alice }, options: wantsGroups })
    const { tokens } = await login()
    const expected = { issuer: op.issuer, subject: 'alice' }
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ]) {
      op.fault('userinfo', { body: nested(alice, 5_000, open, close), contentType: 'application/json' })
      assert.equal(await outcomeOf(login()), 'userinfo_invalid')
    }
    const grant = await provider.refresh(tokens, expected)
    assert.equal(grant.claims, undefined)
    let draft: IDTokenDraft | undefined
    op.idToken = (made) => (draft = made)
    await outcomeOf(login())
    assert.ok(draft)
    const jwt = await signed({ ...draft, claims: { ...alice, iss: op.issuer, aud: 'client' } }, hostile)
    op.fault('userinfo', { body: jwt, contentType: 'application/jwt' })
    assert.equal(await outcomeOf(login()), 'userinfo_invalid')
  })

  test('as an access token gives no claims, and as an answer of the token endpoint no login', async (t) => {
    const { op, login, log } = await aWorld(t, {
      provider: { person: alice, algorithm: 'RS256' },
      config: { claimsFrom: ['idToken', 'accessToken'] },
      options: wantsGroups,
    })
    op.idToken = async (draft) => {
      const accessToken = await signed({ ...draft, claims: { iss: op.issuer, sub: 'alice' } }, hostile)
      op.tokenResponse = (body) => ({ ...body, access_token: accessToken })
      const { at_hash: _hash, ...claims } = draft.claims
      return { ...draft, claims }
    }
    assert.equal((await login()).claims['groups'], undefined)
    assert.ok(log.lines.some(({ event }) => event === 'access_token_unusable'))
    op.fault('token', { body: nested({ access_token: 'a' }, hostile), contentType: 'application/json' })
    assert.equal(await outcomeOf(login()), 'token_response_invalid')
  })

  test('as keys or metadata is trouble of the provider', async (t) => {
    const { op, login, another, log, time } = await aWorld(t, { options: wantsGroups })
    op.fault('jwks', { body: nested({ keys: [] }, 100_000), contentType: 'application/json' })
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
    op.fault('discovery', { body: nested({ issuer: op.issuer }, 100_000), contentType: 'application/json' })
    time.advance(25 * 3_600_000)
    const later = another()
    later.start()
    await outcomeOf(later.authorizationURL({ redirectURI: '', state: '', nonce: '', codeVerifier: 'x'.repeat(43) }))
    assert.equal(later.status(), 'starting')
    assert.match(String(log.lines.findLast(({ event }) => event === 'provider_unavailable')?.['detail']), /32 levels/)
  })
})
