// What a request brings in its Authorization header. Bearer (RFC 6750 section 2.1) and DPoP (RFC 9449 section 7.1) are ours to
// judge; any other scheme is between client and application. Tokens in a query or a body are nobody's: they end up in logs.
import { TokenRejected } from '../errors.ts'

export interface Credentials {
  readonly scheme: 'Bearer' | 'DPoP'
  readonly token: string
}

/** Tokens in use have up to 8 KB (groups); a whole head may have 32. */
export const maxTokenLength = 16 * 1024

const begins = /^(bearer|dpop)(?:$|[ \t,])/i
/** Node joins fields of one name with a comma and a space. */
const oursBehind = /,[ \t]*(?:bearer|dpop)(?:$|[ \t])/i
const wellFormed = /^(bearer|dpop) +([\w.~+/-]+=*)$/i

/** Whether it is for us to judge, well or badly formed. */
export const isOurs = (authorization: string): boolean => begins.test(authorization) || oursBehind.test(authorization)

/**
 * Undefined where the header is of another scheme. Throws TokenRejected where it says Bearer or DPoP and is not one such token: two
 * fields, two tokens, odd characters. Who reads which of them is then anybody's guess.
 */
export function readCredentials(authorization: string): Credentials | undefined {
  if (!isOurs(authorization)) return undefined
  const [, scheme, token] = wellFormed.exec(authorization) ?? []
  if (scheme === undefined || token === undefined) {
    throw new TokenRejected('authorization_malformed', 'the Authorization header is not one scheme and one token')
  }
  if (token.length > maxTokenLength) {
    throw new TokenRejected('token_too_large', `the token is longer than ${maxTokenLength / 1024} KB`)
  }
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', token }
}
