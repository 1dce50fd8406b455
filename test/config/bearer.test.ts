// Tokens of machines: what makes a configuration of them, and what is wrong with one.
import assert from 'node:assert/strict'
import test from 'node:test'
import { load, problemsOf } from './load-fixture.ts'

const on = 'bearer: { enabled: true, audiences: [https://api.example.com] }'

test('without bearer.enabled no token counts', () => {
  assert.equal(load({}).config.bearer, undefined)
  assert.equal(load({ text: 'bearer: { enabled: false }\nenableBearerAuth: false' }).config.bearer, undefined)
})

test('tokens count for bearer.audiences, and where there are none for `audience`, as in the plugin', () => {
  assert.deepEqual(load({ text: on }).config.bearer, {
    audiences: ['https://api.example.com'],
    issuers: [],
    oneTime: false,
    allowsOpaqueTokens: false,
    requiresIntrospection: false,
    passAuthorization: true,
  })
  const pasted = load({ text: 'enableBearerAuth: true\naudience: https://api.example.com' })
  assert.deepEqual(pasted.config.bearer?.audiences, ['https://api.example.com'])
  const both = load({ text: `${on}\naudience: https://other.example.com` })
  assert.deepEqual(both.config.bearer?.audiences, ['https://api.example.com'])
})

test('the environment turns it on, too', () => {
  const { config } = load({ env: { BEARER_ENABLED: 'true', BEARER_AUDIENCES: 'a,b' } })
  assert.deepEqual(config.bearer?.audiences, ['a', 'b'])
})

const refused: readonly (readonly [text: string, problem: RegExp])[] = [
  ['bearer: { enabled: true }', /^c\.yaml:1: bearer\.audiences: is missing; name what a token must be for/],
  ['enableBearerAuth: true', /bearer\.audiences: is missing/],
  [`${on}\nenableBearerAuth: false`, /enableBearerAuth: contradicts bearer\.enabled/],
  [
    'bearer: { enabled: true, audiences: [a], issuers: [{ issuer: https://id.example.com, audiences: [a] }] }',
    /bearer\.issuers\[0\]\.issuer: is the provider itself/,
  ],
  [
    'bearer: { enabled: true, audiences: [a], issuers: [{ issuer: https://x.example, audiences: [a] }, { issuer: https://x.example, audiences: [b] }] }',
    /bearer\.issuers\[1\]\.issuer: is named twice/,
  ],
  [
    'providers: { p: { providerURL: https://p.example, clientID: p, clientSecret: Q7v-secret-of-p-2kX } }\nbearer: { enabled: true, audiences: [a], issuers: [{ issuer: https://p.example, audiences: [a] }] }',
    /bearer\.issuers\[0\]\.issuer: is providers\.p, whose audiences are its bearerAudiences/,
  ],
  [
    'bearer: { enabled: true, audiences: [a], issuers: [{ issuer: http://x.example, audiences: [a] }] }',
    /bearer\.issuers\[0\]\.issuer: must be https/,
  ],
  [
    'bearer: { enabled: true, audiences: [a], issuers: [{ issuer: https://x.example, audiences: [a], jwksURI: http://x.example/k }] }',
    /bearer\.issuers\[0\]\.jwksURI: must be https/,
  ],
  [
    'bearer: { enabled: true, audiences: [a], issuers: [{ issuer: https://x.example, audiences: [] }] }',
    /bearer\.issuers\[0\]\.audiences: is an empty list/,
  ],
  [
    'requireTokenIntrospection: true\nbearer: { enabled: true, audiences: [a], issuers: [{ issuer: https://x.example, audiences: [a] }] }',
    /requireTokenIntrospection: asks the provider about every token, which knows none of bearer\.issuers/,
  ],
  ['introspectionURL: http://id.example.com/i', /introspectionURL: must be https/],
  [`${on}\nrules: [{ require: { scopes: ['a"b'] } }]`, /rules\[0\]\.require\.scopes\[0\]: .*RFC 6749/],
  [`${on}\nrules: [{ require: { scopes: [] } }]`, /rules\[0\]\.require\.scopes: is an empty list/],
]
for (const [text, problem] of refused) {
  test(`refused: ${text}`, () => {
    const problems = problemsOf({ text })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

const warned: readonly (readonly [text: string, warning: RegExp])[] = [
  // A block of the plugin's, where it is about the sessions' own tokens.
  ['allowOpaqueTokens: true', /allowOpaqueTokens: has no effect/],
  ['requireTokenIntrospection: true', /requireTokenIntrospection: has no effect/],
  ['introspectionURL: https://id.example.com/i', /introspectionURL: has no effect/],
  ['bearer: { audiences: [a] }', /bearer\.audiences: has no effect/],
  ['bearer: { oneTime: true }', /bearer\.oneTime: has no effect/],
  ['rules: [{ path: /a, require: { scopes: [a] } }]', /rules\[0\]\.require\.scopes: lets nobody in/],
  [`${on}\nintrospectionURL: https://id.example.com/i`, /introspectionURL: is not used/],
  ['bearer: { enabled: true, audiences: [app] }', /bearer\.audiences: names this client’s own id/],
]
for (const [text, warning] of warned) {
  test(`a warning: ${text}`, () => {
    const { warnings } = load({ text })
    assert.equal(warnings.filter((line) => warning.test(line)).length, 1, warnings.join('\n'))
  })
}

test('scopes may be one text with spaces, as OAuth writes them', () => {
  const { config } = load({ text: `${on}\nrules: [{ require: { scopes: [a b, c] } }]` })
  assert.deepEqual(config.access.rules[0]?.require?.scopes, ['a', 'b', 'c'])
})
