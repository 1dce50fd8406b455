// Which of several providers is meant.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SignalRejected } from '../../src/errors.ts'
import type { Provider } from '../../src/oidc/provider.ts'
import { createProviders, renamed } from '../../src/oidc/providers.ts'
import { aProviderEntry } from '../fixtures/providers.ts'
import { fakeProvider } from '../session/world.ts'

const issuers = { top: 'https://one.example.com', named: 'https://two.example.com', twin: 'https://two.example.com' }
type Name = keyof typeof issuers

function aWorld(given: Partial<Record<Name, Partial<Provider>>> = {}) {
  const asked: string[] = []
  const entries = [
    aProviderEntry(),
    aProviderEntry({ name: 'named', id: 'id-of-named' }),
    aProviderEntry({ name: 'twin', id: 'id-of-twin' }),
  ] as const
  const providers = createProviders(entries, ({ name }): Provider => {
    const own: Name = name === 'default' ? 'top' : (name as Name)
    return {
      ...fakeProvider(() => 0),
      isIssuer: (issuer) => issuer === issuers[own],
      async readLogoutToken() {
        asked.push(own)
        return { issuer: issuers[own], about: { subject: 'a' }, tokenID: 't', issuedAt: 0, expiresAt: 1 }
      },
      ...given[own],
    }
  })
  return { providers, asked }
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const token = (iss: unknown, alg = 'RS256') => `${encoded({ alg })}.${encoded({ iss })}.c2ln`

test('a session finds its own, by what it is bound to', () => {
  const { providers } = aWorld()
  assert.equal(providers.of('id-of-named'), providers.named('named')?.provider)
  assert.equal(providers.of(undefined), providers.named('default')?.provider)
  assert.deepEqual([providers.has('id-of-twin'), providers.has('gone')], [true, false])
  assert.throws(() => providers.of('gone'), RangeError)
})

describe('how they fare', () => {
  for (const [top, named, twin, all] of [
    ['ready', 'ready', 'ready', 'ready'],
    ['starting', 'starting', 'starting', 'starting'],
    ['ready', 'starting', 'ready', 'failing'],
    ['ready', 'failing', 'ready', 'failing'],
  ] as const) {
    test(`${top}, ${named} and ${twin} are ${all}`, () => {
      const { providers } = aWorld({
        top: { status: () => top },
        named: { status: () => named },
        twin: { status: () => twin },
      })
      assert.equal(providers.status(), all)
    })
  }
})

describe('a logout token', () => {
  test('is read by whoever it says that it is of, and by nobody else', async () => {
    const { providers, asked } = aWorld()
    assert.equal((await providers.readLogoutToken(token(issuers.top))).issuer, issuers.top)
    assert.deepEqual(asked, ['top'])
  })

  test('of a provider with two clients is for one of them', async () => {
    const refusal = new SignalRejected('audience', 'aud does not name us')
    const { providers, asked } = aWorld({ named: { readLogoutToken: () => Promise.reject(refusal) } })
    await providers.readLogoutToken(token(issuers.named))
    assert.deepEqual(asked, ['twin'])
  })

  test('that neither of them takes is refused as the first does', async () => {
    const no = (reason: 'audience' | 'signature') => ({
      readLogoutToken: () => Promise.reject(new SignalRejected(reason, 'no')),
    })
    const { providers } = aWorld({ named: no('audience'), twin: no('signature') })
    await assert.rejects(providers.readLogoutToken(token(issuers.named)), { reason: 'audience' })
  })

  test('of nobody whom we know is refused, and nobody is asked', async () => {
    const { providers, asked } = aWorld()
    await assert.rejects(providers.readLogoutToken(token('https://three.example.com')), { reason: 'issuer' })
    assert.deepEqual(asked, [])
  })

  for (const [name, text] of [
    ['that is none', 'nothing'],
    ['without an issuer', token(undefined)],
    ['signed with a secret', token(issuers.named, 'HS256')],
  ] as const) {
    test(`${name} is for the first to refuse, in its words`, async () => {
      const { providers, asked } = aWorld()
      await providers.readLogoutToken(text)
      assert.deepEqual(asked, ['top'])
    })
  }
})

describe('claims by other names', () => {
  test('are found by ours, also deep down', () => {
    const claims = { realm_access: { roles: ['a'] }, upn: 'alice@example.com', other: 1 }
    assert.deepEqual(renamed(claims, { roles: 'realm_access.roles', email: 'upn' }), {
      ...claims,
      roles: ['a'],
      email: 'alice@example.com',
    })
  })
  test('do not fall back to what has our name by chance', () => {
    assert.equal(renamed({ groups: ['admins'] }, { groups: 'cognito:groups' })['groups'], undefined)
  })
})
