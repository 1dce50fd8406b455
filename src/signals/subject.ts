// Whom a security event is about (RFC 9493; Shared Signals Framework 1.0, section 3), as far as sessions here can be told by it: by
// the person's `sub`, by the provider's `sid`, or both. Whoever writes one signs it, so what it cannot say is no attack, but a setting.
import { isObject, type JSONObject } from '../oidc/json.ts'

export type Subject =
  | {
      readonly kind: 'known'
      /** Whose `sub` it is, where that is said. */
      readonly issuer?: string
      readonly subject: string | undefined
      readonly sid: string | undefined
    }
  /** A name that does not say of what: a person's, or a session's. */
  | { readonly kind: 'opaque'; readonly id: string }
  /** Somebody of another issuer: nobody of ours. */
  | { readonly kind: 'elsewhere' }
  /** In a form that no session can be told by (an e-mail address, a device). */
  | { readonly kind: 'unreadable' }

type IsKnown = (issuer: string) => boolean

const unreadable: Subject = { kind: 'unreadable' }
const elsewhere: Subject = { kind: 'elsewhere' }
const maxSubjectLength = 255
const maxSidLength = 1_024
const maxAliases = 16

/** `isKnown`: whether an issuer's `sub` is one that ID tokens have, too. */
export function readSubject(value: unknown, isKnown: IsKnown): Subject {
  if (!isObject(value)) return unreadable
  const format = formatOf(value)
  if (format === 'opaque') {
    const { id } = value
    return isText(id, maxSidLength) ? { kind: 'opaque', id } : unreadable
  }
  if (format !== 'complex') return readPerson(value, format, isKnown)
  const { user, session } = value
  const person = user === undefined ? unreadable : readPerson(user, formatOf(user), isKnown)
  // All of its members must match, and this one cannot.
  if (person.kind === 'elsewhere') return elsewhere
  const sid = readSid(session)
  const { subject, ...whose } = person.kind === 'known' ? person : { subject: undefined }
  // Members that nobody here can compare (device, tenant) leave more sessions, not fewer: to end one too many is the lesser evil.
  return subject === undefined && sid === undefined ? unreadable : { ...whose, kind: 'known', subject, sid }
}

function readPerson(value: unknown, format: string | undefined, isKnown: IsKnown): Subject {
  if (!isObject(value)) return unreadable
  switch (format) {
    case 'iss_sub':
    // What Google calls it.
    case 'id_token_claims':
      if (typeof value['iss'] !== 'string') return unreadable
      if (!isKnown(value['iss'])) return elsewhere
      return known(value['sub'], value['iss'])
    case 'opaque':
      return known(value['id'])
    case 'aliases':
      return readAliases(value['identifiers'], isKnown)
    default:
      return unreadable
  }
}

/** All of them are the same person's (RFC 9493 section 3.2.8, which forbids them to be nested). */
function readAliases(identifiers: unknown, isKnown: IsKnown): Subject {
  if (!Array.isArray(identifiers)) return unreadable
  const read = identifiers.slice(0, maxAliases).map((identifier: unknown) => {
    const format = formatOf(identifier)
    return format === 'aliases' ? unreadable : readPerson(identifier, format, isKnown)
  })
  return read.find(({ kind }) => kind === 'known') ?? read.find(({ kind }) => kind === 'elsewhere') ?? unreadable
}

function readSid(session: unknown): string | undefined {
  if (!isObject(session) || formatOf(session) !== 'opaque') return undefined
  const { id } = session
  return isText(id, maxSidLength) ? id : undefined
}

const known = (subject: unknown, issuer?: string): Subject =>
  isText(subject, maxSubjectLength)
    ? { kind: 'known', ...(issuer !== undefined && { issuer }), subject, sid: undefined }
    : unreadable

/** `format`; `subject_type` is what it was called before RFC 9493, and without either a complex subject was one by its members. */
function formatOf(value: unknown): string | undefined {
  if (!isObject(value)) return undefined
  const format = value['format'] ?? value['subject_type']
  if (typeof format === 'string') return format.replaceAll('-', '_')
  return format === undefined && isComplex(value) ? 'complex' : undefined
}

const isComplex = ({ user, session }: JSONObject): boolean => isObject(user) || isObject(session)

const isText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= longest
