// What the browser brought back from the provider: judged before a code is worth anything. Everything in it may have been
// written by an attacker.
import { LoginRejected } from '../errors.ts'
import type { Metadata } from './metadata.ts'
import type { Callback } from './provider.ts'
import { errorWord, inWords } from './provider-text.ts'

const maxQueryBytes = 8 * 1024

/** Longer than any provider's answer: to be refused before any of it is read. */
export const isTooLong = (query: string): boolean => Buffer.byteLength(query) > maxQueryBytes

export const tooLong = (): LoginRejected =>
  new LoginRejected('parameter_too_long', 'the query of the callback is longer than 8 KB')

/** What can be judged without knowing the provider. Throws LoginRejected. */
export function readCallback({ query, state }: Callback): URLSearchParams {
  if (isTooLong(query)) throw tooLong()
  const parameters = new URLSearchParams(query)
  for (const name of ['state', 'code', 'iss', 'error']) {
    if (parameters.getAll(name).length > 1) throw new LoginRejected('parameter_repeated', `${name} came twice`)
  }
  const received = parameters.get('state')
  if (received === null || received === '') throw new LoginRejected('state_missing', 'the callback has no state')
  if (received !== state) throw new LoginRejected('state_unknown', 'the state is of another login')
  return parameters
}

/** The code, from an answer of the provider that this login asked. Throws LoginRejected. */
export function codeOf(
  parameters: URLSearchParams,
  metadata: Pick<Metadata, 'sendsIss'>,
  isIssuer: (issuer: string) => boolean,
): string {
  // RFC 9207, before anything else is believed: an error, too, must come from the provider that was asked.
  const issuer = parameters.get('iss')
  if (issuer === null && metadata.sendsIss)
    throw new LoginRejected('iss_missing', 'the answer does not name its issuer')
  if (issuer !== null && !isIssuer(issuer)) {
    throw new LoginRejected('iss_mismatch', 'the answer names another issuer')
  }
  const error = parameters.get('error')
  const code = parameters.get('code')
  const secrets = ['state', 'code'].map((name) => parameters.get(name) ?? '')
  const message = inWords(errorWord(error), parameters.get('error_description'), secrets)
  if (error === 'access_denied' && code === null)
    throw new LoginRejected('access_denied', `access was denied: ${message}`)
  // OpenID Connect Core Unmet Authentication Requirements 1.0.
  if (error === 'unmet_authentication_requirements')
    throw new LoginRejected('id_token_acr', `the provider cannot authenticate as asked: ${message}`)
  if (error !== null) throw new LoginRejected('provider_error', `the provider answered ${message}`)
  if (code === null || code === '') throw new LoginRejected('code_missing', 'the callback has no code')
  return code
}
