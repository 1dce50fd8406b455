// What a provider, or whoever poses as it, wrote: as far as it may be shown and logged.

/** An `error`: RFC 6749 has short words there, anything may come. */
export const errorWord = (value: unknown): string =>
  typeof value === 'string' && /^[\w.-]{1,64}$/.test(value) ? value : 'unreadable'

const maxLength = 200
/** Shorter than this, something sent may be part of a word by chance. */
const shortestSecret = 8

/** Free text on one line of at most 200 characters, without what could be a command to a terminal and without `secrets`. */
export function oneLine(text: string, secrets: Iterable<string>): string {
  let line = text
  for (const secret of secrets) if (secret.length >= shortestSecret) line = line.replaceAll(secret, '[redacted]')
  // What nobody would type may be a code or a token that we have not sent.
  line = line.replace(/[\w~+=/-]{40,}/g, '[redacted]')
  line = line.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line
}

/** `invalid_grant`, or `invalid_grant: Token is not active` where the provider says more (RFC 6749 section 5.2). */
export function inWords(error: string, description: unknown, secrets: Iterable<string>): string {
  const more = typeof description === 'string' ? oneLine(description, secrets) : ''
  return more === '' ? error : `${error}: ${more}`
}
