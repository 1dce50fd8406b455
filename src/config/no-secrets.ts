// Which secrets are none: placeholders that were copied and forgotten, references that another program would have filled in,
// examples from documentation that everybody knows, and keys that can be guessed. And which carry what an editor left behind.

const PLACEHOLDERS = [
  'your-encryption-key',
  'your-password',
  'your-client-secret',
  'your-client-id',
  'your-elasticache-auth-token',
  'your-redis-password',
  'changeme',
  'change-me',
] as const

type Shape = readonly [pattern: RegExp, words: string]

/** Shapes of a value that stands for another one. What is said of them shows nothing of the value. */
const PLACEHOLDER_SHAPES: readonly Shape[] = [
  [/^<.*>$/s, '<…>'],
  [/^your[-_ ]/i, 'your-…'],
  [/^(?:replace|change|insert|enter|put|fill|paste)[-_ ]?(?:me|this|with|your|it|in|here)(?:\b|_)/i, 'replace-me'],
]

/** Those that a client's id may well have. */
const SECRET_SHAPES: readonly Shape[] = [
  [/^your(?:redis|client|secret|password|key|app)/i, 'your-…'],
  [/[-_ ]here!*$/i, '…-here'],
  [/^(?=.*(?:SECRET|PASSWORD|TOKEN|KEY))[A-Z]+(?:[_ ][A-Z]+)+$/, 'NAME_OF_THE_SECRET'],
  [/^(?:to-?do|fixme|tbd|placeholder|redacted|none|null|undefined)$/i, 'TODO'],
  [/^(.)\1{2,}$/s, 'xxx'],
  [/^…$/, '...'],
]

/** Published as examples or defaults: of the Traefik plugin, of oauth2-proxy, of traefik-oidc-auth. */
const KNOWN_TO_EVERYBODY = new Set([
  'potato-secret',
  'potato-secret-is-at-least-32-bytes-long',
  '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
  'MLFs4TT99kOOq8h3UAVRtYoCTDYXiRcZ',
  'OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=',
  'OQINaROshtE9TcZkNAm5Zs2Pv3xaWytBmc5W7sPX7ws=',
  'somerandomstring12341234567890AB',
  'b2F1dGgyLXByb3h5LWNsaWVudC1zZWNyZXQK',
  '72341b6d-7065-4518-a0e4-50ee15025608',
])

/** A value that another program fills in before its own configuration is read. */
const FOREIGN_REFERENCES: readonly RegExp[] = [
  /\{\{.*\}\}/s,
  /^\$\(.*\)$/s,
  /^\$[A-Z_][A-Z0-9_]+$/,
  /^%[A-Z_][A-Z0-9_]+%$/,
  /^(?:vault|sops|ref\+\w+|awsssm|gcpsm|secretref|keyvault):|^op:\/\//i,
  /^ENC\[/,
  /^\$?ANSIBLE_VAULT;/,
]

const REFERENCE =
  'is a reference that another program fills in, not this one; write ${NAME}, file:/path or urn:k8s:secret:NAME:KEY'

/** Whether a text holds a template that nobody here fills in, in words that follow its name. */
export function noTemplate(text: string): string | undefined {
  return /\{\{.*\}\}/s.test(text)
    ? 'has a template ({{ … }}), which another program would fill in before; write ${NAME} for an environment variable'
    : undefined
}

/** Why this cannot be a client's id, in words that follow its name; undefined when nothing speaks against it. */
export function noIdentifier(value: string): string | undefined {
  const text = value.trim()
  const placeholder = PLACEHOLDERS.find((one) => one === text.toLowerCase())
  if (placeholder !== undefined) return `is the documentation’s placeholder ${placeholder}; give it a value of your own`
  if (FOREIGN_REFERENCES.some((shape) => shape.test(text))) return REFERENCE
  return placeholderWords(text, PLACEHOLDER_SHAPES)
}

/** Why this is not the secret itself, likewise. */
export function noSecret(value: string): string | undefined {
  const text = value.trim()
  if (KNOWN_TO_EVERYBODY.has(text))
    return 'is an example from documentation, known to everybody; give it a value of your own'
  return noIdentifier(text) ?? placeholderWords(text, SECRET_SHAPES)
}

function placeholderWords(text: string, shapes: readonly Shape[]): string | undefined {
  const found = shapes.find(([pattern]) => pattern.test(text))
  return found === undefined ? undefined : `looks like a placeholder (${found[1]}); give it a value of your own`
}

/** What editors and environments leave around or within a secret, in words that follow its name. */
export function leftBehind(secret: string): string | undefined {
  if (secret.includes('\uFFFD'))
    return 'is not text in UTF-8; for a random key write it as text (`openssl rand -base64 32`)'
  if (/^\s|\s$/.test(secret)) return 'begins or ends with white space, which would be part of it; take it away'
  if (/^(["'`]).*\1$|^[“‘„«].*[”’“»]$/s.test(secret)) return 'is in quotes, which would be part of it; take them away'
  if (/\p{Cc}/u.test(secret)) return 'has a line break or another control character in it; write it on one line'
  return /[\p{Cf}\p{Zl}\p{Zp}]|[^\S ]/u.test(secret) ? 'has an invisible character in it; write it anew' : undefined
}

// What people leave standing when they copy a documentation's key and lengthen it. Words such as `test` or `key` alone prove
// nothing: a long passphrase may hold them.
const EXAMPLE_PARTS = /your[-_ ]|change[-_ ]?me|potato-secret|replace[-_ ]?(?:me|this|with)/i

/** Words that a key says of itself, and nobody's secret: the longer first, so that none hides a longer one. */
const WORDS_ABOUT_ITSELF = (
  'characters character encryption encrypted production kubernetes development foregate password security minimum default ' +
  'example session traefik private replace encrypt secrets secret cookie random string change please secure sample should ' +
  'length value strong bytes chars dummy super local admin token needs least hybrid proxy oauth2 oauth byte char test demo ' +
  'keep kept safe long must this that very here your only user prod some with from into mode dev min key for use and the my ' +
  'is at be to in of or a'
)
  .split(' ')
  .toSorted((one, other) => other.length - one.length)

/** Why a key of sufficient length can still be guessed, or undefined when nothing speaks against it. */
export function weakness(key: string): string | undefined {
  return weaknessOf(key) ?? (decodedText(key) === undefined ? undefined : weaknessOf(decodedText(key) ?? ''))
}

function weaknessOf(key: string): string | undefined {
  if (EXAMPLE_PARTS.test(key)) return 'is an example from documentation, known to everybody'
  if (new Set(key).size < 8) return 'has fewer than 8 different characters'
  const characters = Array.from(key)
  const steps = characters.slice(1).filter((character, index) => isStep(characters[index] ?? '', character))
  if (steps.length * 2 > characters.length - 1) return 'is a sequence'
  if (repeatedShare(key.toLowerCase()) > 1 / 3) return 'repeats itself'
  return saysOnlyItself(key) ? 'is made of words about itself, as examples are' : undefined
}

/** The share of characters in runs of four that were there before: next to nothing in a random key. */
function repeatedShare(text: string): number {
  const seen = new Set<string>()
  const repeated = new Set<number>()
  for (let at = 0; at + 4 <= text.length; at += 1) {
    const run = text.slice(at, at + 4)
    if (seen.has(run)) for (let inside = at; inside < at + 4; inside += 1) repeated.add(inside)
    seen.add(run)
  }
  return repeated.size / text.length
}

const KEYBOARD = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'qwertzuiop', 'yxcvbnm', '1234567890']

/** Neighbours in the alphabet or on a keyboard, or the same once more. */
function isStep(one: string, next: string): boolean {
  if (Math.abs((one.codePointAt(0) ?? 0) - (next.codePointAt(0) ?? 0)) <= 1) return true
  const pair = (one + next).toLowerCase()
  return KEYBOARD.some((row) => row.includes(pair))
}

function saysOnlyItself(key: string): boolean {
  let rest = key.toLowerCase().replaceAll(/[^a-z]+/g, ' ')
  let found = 0
  for (const word of WORDS_ABOUT_ITSELF) {
    const left = rest.replaceAll(word.length < 4 ? new RegExp(`\\b${word}\\b`, 'g') : word, ' ')
    if (left !== rest && word.length > 2) found += 1
    rest = left
  }
  return found >= 2 && rest.replaceAll(' ', '').length < 12
}

/** The text that a key is in base64 or hexadecimal, where it is text at all: random bytes are not. */
function decodedText(key: string): string | undefined {
  const encoding = /^[0-9a-f]+$/i.test(key) ? 'hex' : /^[\w+/-]+={0,2}$/.test(key) ? 'base64' : undefined
  if (encoding === undefined) return undefined
  const text = Buffer.from(key, encoding).toString('latin1').replace(/\n$/, '')
  return text.length >= 16 && /^[\x20-\x7e]+$/.test(text) ? text : undefined
}
