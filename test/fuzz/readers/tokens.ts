// What a machine brings: the header, a token that nobody has verified, the proof, and the address in it.
import { createBearer } from '../../../src/bearer/bearer.ts'
import { readCredentials } from '../../../src/bearer/credentials.ts'
import { createCheckProof, plainURL } from '../../../src/bearer/proof.ts'
import { checkIntrospected, checkSigned } from '../../../src/bearer/token-claims.ts'
import { TokenRejected } from '../../../src/errors.ts'
import { asHeader } from '../recipes.ts'
import { clock, headerSize, type Reader } from './parts.ts'

const expected = {
  issuer: 'https://provider.example',
  audiences: ['api'],
  clientIDs: ['client'],
  clockSkewMs: 0,
  now: 0,
}
const used = { first: () => Promise.resolve(true) }
const checkProof = createCheckProof({ used, clockSkewMs: 0, clock })
const bearer = createBearer({
  issuers: [{ issuer: expected.issuer, audiences: ['api'], verifySignature: () => Promise.reject(refusal) }],
  allowsOpaqueTokens: false,
  requiresIntrospection: false,
  oneTime: false,
  clientIDs: () => ['client'],
  clockSkewMs: 0,
  tokens: {
    near: () => undefined,
    keepNear: () => undefined,
    idOf: (token) => token.slice(0, 20),
    shared: () => Promise.resolve(undefined),
    keepShared: () => Promise.resolve(),
    rejection: () => undefined,
    keepRejection: () => undefined,
    counts: { hit: { value: 0 }, miss: { value: 0 } },
    nearSize: 0,
    nearBytes: 0,
  },
  used,
  checkProof,
  claimsToKeep: (claims) => claims,
  clock,
})
const refusal = new TokenRejected('token_signature', 'no')
const ignored = () => undefined
const jwt = (claims: object) =>
  `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`

export const tokens: readonly Reader[] = [
  ...['', 'Bearer ', 'Basic a, ', 'Bearer a,'].map((start) => ({
    name: `an Authorization header after ${JSON.stringify(start)}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: [',', ', Bearer ', ' ', '\t', '=', 'a='],
    run: (text: string) => readCredentials(text),
  })),
  {
    name: 'a token that nobody has verified',
    as: asHeader,
    largest: headerSize,
    start: `Bearer ${jwt({ iss: expected.issuer })}`,
    words: ['.', '=', 'eyJ', 'eyJhbGciOiJSUzI1NiJ9.'],
    run: (text) =>
      void bearer.verify({ authorization: text, proof: undefined, request: undefined, goesOn: false })?.catch(ignored),
  },
  {
    name: 'a proof of possession',
    as: asHeader,
    largest: headerSize,
    start: 'eyJhbGciOiJFUzI1NiJ9.',
    words: ['.', 'eyJ', ','],
    run: (text) =>
      void checkProof({
        proof: text,
        token: 'a',
        thumbprint: 'a',
        request: { method: 'GET', url: 'https://app.example.com/' },
      }).catch(ignored),
  },
  {
    name: 'the address in a proof',
    as: asHeader,
    largest: 4_096,
    start: 'https://app.example.com/',
    words: ['/', '%7e', '%2F', '/../', '?', '#', '@'],
    run: (text) => plainURL(text),
  },
  ...(['scope', 'aud', 'typ', 'jti'] as const).map((name) => ({
    name: `the claim ${name} of a token`,
    as: asHeader,
    largest: headerSize,
    start: '',
    words: [' ', 'api', 'id', 'serialized-'],
    run(text: string) {
      const claims = { iss: expected.issuer, aud: 'api', sub: 'a', exp: 1, active: true, [name]: text }
      checkIntrospected(claims, undefined, expected)
      checkSigned({ type: undefined, claims }, expected)
    },
  })),
]
