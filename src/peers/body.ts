import type { IncomingMessage } from 'node:http'

/**
 * The length that is announced; undefined without one, or where it is more than `maxBytes`. Nobody of ours sends a body whose
 * length shows only in the end.
 */
export function announcedLength({ headers }: IncomingMessage, maxBytes: number): number | undefined {
  const written = headers['content-length'] ?? ''
  const length = /^\d{1,9}$/.test(written) ? Number(written) : Infinity
  return length <= maxBytes ? length : undefined
}

/** The whole body; never more than was announced, which the parser sees to. Rejects where it is cut short. */
export function readBody(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => (message.complete ? resolve(Buffer.concat(chunks)) : reject(new Error('cut short'))))
    message.on('error', reject)
    message.on('close', () => reject(new Error('cut short')))
  })
}
