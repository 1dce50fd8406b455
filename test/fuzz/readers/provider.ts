// What a provider passes on: tokens, and what a person may choose of themselves.
import type { Identity } from '../../../src/access/access.ts'
import { headerSafe } from '../../../src/access/header-value.ts'
import { compileTemplate } from '../../../src/access/template.ts'
import { oneLine } from '../../../src/oidc/provider-text.ts'
import { mergeUserInfo } from '../../../src/oidc/claims.ts'
import { checkIDToken } from '../../../src/oidc/id-token.ts'
import { maxTokenLength, decodeUnverified } from '../../../src/oidc/signature.ts'
import { singleUseKey } from '../../../src/oidc/token-response.ts'
import { jsonObject } from '../../../src/oidc/transport.ts'
import { type Reader, claimSize, rules, identityHeaders, identityOf } from './parts.ts'

const admitted = (claims: Identity['claims']) => {
  for (const requirement of [0, 1]) rules.meets(requirement, identityOf(claims))
  identityHeaders.headersFor(identityOf(claims))
}

const jwtHeader = Buffer.from('{"alg":"RS256"}').toString('base64url')
const jwtOf = (payload: string) => `${jwtHeader}.${Buffer.from(payload).toString('base64url')}.AAAA`

export const provider: readonly Reader[] = [
  ...['', 'eyJ', `${jwtHeader}.`, `${jwtHeader}.${jwtHeader}.`].map((start) => ({
    name: `a token that begins with "${start}"`,
    largest: maxTokenLength,
    start,
    run: (token: string) => decodeUnverified(token, ['RS256']),
  })),
  {
    name: 'the payload of a token',
    largest: claimSize,
    start: '{"a":',
    run: (text) => decodeUnverified(jwtOf(text), ['RS256']),
  },
  {
    name: 'a name inside a token',
    largest: claimSize,
    run: (text) => {
      const { claims } = decodeUnverified(jwtOf(JSON.stringify({ iss: text, jti: text, name: text, [text]: text })), [
        'RS256',
      ])
      singleUseKey('', claims)
      return mergeUserInfo(claims, { ...claims, more: text })
    },
  },
  {
    name: 'the audiences of a token',
    largest: maxTokenLength,
    words: ['client,'],
    run: (text) =>
      checkIDToken(
        { algorithm: 'RS256', type: text, claims: { iss: '', sub: 'a', aud: text.split(','), azp: text, exp: 1e9 } },
        {
          issuer: '',
          clientID: 'client',
          nonce: undefined,
          mayLackNonce: false,
          accessToken: 'a',
          stepUp: { acr: [text.slice(0, 8)], maxAgeMs: undefined },
          startedAt: undefined,
          clockSkewMs: 0,
          now: 0,
        },
      ),
  },
  {
    name: "a provider's answer",
    largest: maxTokenLength,
    start: '{"a":',
    run: (text) => {
      oneLine(text, [text])
      return jsonObject({ status: 200, contentType: 'application/json', body: text })
    },
  },
]

const nested = (text: string): unknown => {
  let value: unknown = text.slice(0, text.length / 2).split(',')
  for (let depth = 0; depth < Math.min(500, text.length / 16); depth++) value = [value]
  return value
}
const template = compileTemplate('{{.Claims.a}}')

export const claims: readonly Reader[] = [
  {
    name: 'the name of a person in headers and rules',
    largest: claimSize,
    words: ['@example.com', 'a@b'],
    run: (text) => admitted({ name: text, email: text, preferred_username: text, groups: text, roles: text }),
  },
  {
    name: 'the many groups of a person',
    largest: claimSize,
    words: ['admins,', 'a,'],
    run: (text) => {
      const groups = text.split(/[,./;]/)
      admitted({ email: 'alice@example.com', groups, roles: groups, name: groups })
    },
  },
  {
    name: 'a claim as lists within lists',
    largest: claimSize,
    words: ['a,'],
    run: (text) => template.render({ claims: { a: nested(text) }, tokens: undefined }, headerSafe),
  },
]
