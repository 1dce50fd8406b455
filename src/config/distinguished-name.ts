// A name of a directory has commas of its own: neither an option nor a claim may be cut at them.

/** RFC 4514: `CN=admins,OU=groups`, each part a type and a value. */
export function isDistinguishedName(text: string): boolean {
  const parts = text.split(/(?<!\\),/)
  return parts.length > 1 && parts.every((part) => /^\s*[A-Za-z][\w.-]*\s*=/.test(part))
}
