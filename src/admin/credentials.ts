// Who asks: whoever has the token, or a certificate of the operator's own authority; where the configuration names both, whoever has
// both.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { AdminConfig } from '../config/config.ts'

/** By which name the record knows who asked; undefined: nobody whom we know. */
export type Credentials = (request: IncomingMessage) => string | undefined

const maxNameLength = 128

export function createCredentials({ token, tls }: Pick<AdminConfig, 'token' | 'tls'>): Credentials {
  const wantsCertificate = tls?.clientCA !== undefined
  // Never met by a configuration that was checked, and nothing that a mistake of ours may open.
  if (token === undefined && !wantsCertificate) return () => undefined
  const expected = token === undefined ? undefined : digest(token)
  return (request) => {
    const name = wantsCertificate ? certificateName(request.socket) : 'admin'
    if (name === undefined) return undefined
    if (expected === undefined) return name
    const [, given] = /^Bearer +([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '') ?? []
    // Digests: of equal length, so that neither length nor content shows in the time.
    return given !== undefined && timingSafeEqual(digest(given), expected) ? name : undefined
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Its common name, else its fingerprint. Undefined where none was shown that the authority vouches for. */
function certificateName(socket: IncomingMessage['socket']): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const certificate = socket.getPeerCertificate()
  // Of a certificate with several names it is a list, and of one without a subject there is none.
  const name: unknown = (certificate.subject as { CN?: unknown } | undefined)?.CN
  return typeof name === 'string' && name.trim() !== '' ? name.slice(0, maxNameLength) : certificate.fingerprint256
}
