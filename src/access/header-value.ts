// Claims in headers. A claim is text from outside (names with ü, an attribute that a user may edit); a header value is
// printable ASCII. What cannot stand there is percent-encoded UTF-8, and two different claims never give the same header:
// an application that trusts the header would otherwise take one person for another.

/**
 * Printable ASCII as it is, everything else (CR, LF, NUL, DEL, beyond ASCII) percent-encoded UTF-8; lone surrogates become
 * U+FFFD. Two exceptions keep it reversible with any percent-decoder that leaves damaged escapes alone: a `%` that would
 * read as an escape (`%41`) becomes `%25`, and spaces at the ends, which receivers strip, become `%20`.
 */
export function headerSafe(value: string): string {
  if (isPlain(value)) return value
  const encoded = encodeUnsafe(value.replace(/%(?=[0-9a-f]{2})/gi, '%25'))
  const fromStart = encoded.trimStart()
  const inner = fromStart.trimEnd()
  return '%20'.repeat(encoded.length - fromStart.length) + inner + '%20'.repeat(fromStart.length - inner.length)
}

/** Like headerSafe for a piece of the operator's own text: `%` and the spaces at its ends stay. */
export function encodeUnsafe(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]+/g, encodeURIComponent)
}

function isPlain(value: string): boolean {
  return /^(?! )[\x20-\x24\x26-\x7e]*$/.test(value) && !value.endsWith(' ')
}
