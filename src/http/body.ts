// The few bodies of our own endpoints that are read, and how much of one.
import type { Readable } from 'node:stream'

export type Body = { readonly text: string } | 'too-long'

/** Logout tokens and security events have some 1,000 characters. */
export const maxBodyBytes = 16 * 1024

/** Rejects where the body ends before it is whole. The rest of one that is too long is read and thrown away. */
export async function readBody(payload: Readable): Promise<Body> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of payload) {
    // A stream of a request without an encoding.
    const piece = chunk as Buffer
    bytes += piece.length
    if (bytes <= maxBodyBytes) chunks.push(piece)
  }
  return bytes > maxBodyBytes ? 'too-long' : { text: Buffer.concat(chunks).toString('utf8') }
}
