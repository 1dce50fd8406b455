// How the most lenient application reads a path. Express and IIS take `/Admin` for `/admin`, Windows drops dots and spaces at the
// end of a name, Rails and Spring take `/admin.json` to the handler of `/admin`. A rule that denies or requires something is
// matched on this form, so that no other spelling of a path escapes it; a rule that makes something public never is.

/** A path in the spelling that all its lenient readings have in common. Give it canonical paths: decoded once, not ambiguous. */
export type LenientForm = (path: string) => string

// Hot path: what most paths look like, and what no step below would change.
const plain = /^(?:\/\.*[a-z0-9_~!$&'()*+,=@-]+(?:\.+[a-z0-9_~!$&'()*+,=@-]+)*)*\/?$/
const plainWithoutDots = /^(?:\/[a-z0-9_~!$&'()*+,=@-]+)*\/?$/

/** `ignoredExtensions`: without a dot, in lower case; `*` for all. */
export function lenientForm(ignoredExtensions: readonly string[]): LenientForm {
  const ignored = new Set(ignoredExtensions)
  const unchanged = ignored.size === 0 ? plain : plainWithoutDots

  return (path) => {
    if (unchanged.test(path)) return path
    const segments = foldCase(path)
      .split('/')
      .map((segment) => withoutExtensions(trimmed(segment)))
    // Of a name that is all dots Windows leaves nothing.
    return `/${segments.filter((segment) => segment !== '').join('/')}`
  }

  function withoutExtensions(segment: string): string {
    let name = segment
    if (ignored.size === 0) return name
    for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.')) {
      if (!ignored.has('*') && !ignored.has(name.slice(dot + 1))) break
      name = trimmed(name.slice(0, dot))
    }
    return name
  }
}

/**
 * Upper case first: `ı` is its own lower case, but its upper case is that of `i`. Full-width letters become plain. What is taken
 * out here could have kept combining characters apart, so nothing is normalised afterwards (see canonical.ts: quadratic).
 */
function foldCase(path: string): string {
  // oxlint-disable-next-line no-control-regex -- everything beyond ASCII
  if (!/[^\x00-\x7f]/.test(path)) return path.toLowerCase()
  return (
    path
      .normalize('NFKC')
      .replace(/\p{Default_Ignorable_Code_Point}+/gu, '')
      // JavaScript makes two characters of it, Java and .NET make an `i`.
      .replaceAll('\u0130', 'i')
      .toUpperCase()
      .toLowerCase()
      // Which of the two it becomes depends on what follows, and that may be an extension.
      .replaceAll('ς', 'σ')
  )
}

/**
 * What Windows makes of a name: no dots and spaces at its end, no `::$DATA` or `:$i30:$INDEX_ALLOCATION` (a directory itself,
 * CVE-2010-2731). By hand: a regular expression would be quadratic.
 */
function trimmed(segment: string): string {
  const stream = segment.includes(':$') ? segment.indexOf(':') : -1
  const name = stream < 0 ? segment : segment.slice(0, stream)
  let end = name.length
  while (end > 0 && (name[end - 1] === '.' || name[end - 1] === ' ')) end--
  return name.slice(0, end).trimStart()
}
