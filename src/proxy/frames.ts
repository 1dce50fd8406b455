// WebSocket frames (RFC 6455 section 5.2), followed and not read: where one ends and what kind it is, so that a frame of ours
// goes between two of theirs, and so that what a person sends is told from what their browser answers by itself.

export type Sender = 'client' | 'server'

export interface FrameTracker {
  /** The next bytes that this side sends. True: data frames are among them, rather than answers to pings alone. */
  push(bytes: Buffer): boolean
  /** Whether the next byte would begin a frame. False as well where it is no WebSocket after all. */
  isAtBoundary(): boolean
}

const maxHeader = 14

export function createFrameTracker(sender: Sender): FrameTracker {
  const header = Buffer.alloc(maxHeader)
  let have = 0
  let payloadLeft = 0
  let isData = false
  /** They agreed to a WebSocket and speak something else: passed on, but nobody can say where a frame would fit in. */
  let isLost = false

  function headerLength(): number {
    if (have < 2) return 2
    const length = (header[1] ?? 0) & 0x7f
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (sender === 'client' ? 4 : 0)
  }

  /** Of a whole header. */
  function payloadLength(): number {
    const length = (header[1] ?? 0) & 0x7f
    if (length < 126) return length
    return length === 126 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2))
  }

  /** Masked by clients and by nobody else (section 5.1); control frames are short and whole (section 5.5). */
  function isPossible(): boolean {
    const [first = 0, second = 0] = header
    const opcode = first & 0x0f
    if (((second & 0x80) !== 0) !== (sender === 'client')) return false
    if (opcode >= 8) return opcode <= 10 && (first & 0x80) !== 0 && (second & 0x7f) < 126
    return opcode <= 2
  }

  return {
    push(bytes) {
      if (isLost) return true
      let sawData = false
      let at = 0
      while (at < bytes.length) {
        if (payloadLeft > 0) {
          const taken = Math.min(payloadLeft, bytes.length - at)
          payloadLeft -= taken
          at += taken
          sawData ||= isData
          continue
        }
        header[have++] = bytes[at++] ?? 0
        if (have === 2 && !isPossible()) {
          isLost = true
          return true
        }
        if (have < headerLength()) continue
        isData = ((header[0] ?? 0) & 0x0f) < 8
        sawData ||= isData
        payloadLeft = payloadLength()
        have = 0
      }
      return sawData
    },
    isAtBoundary: () => !isLost && have === 0 && payloadLeft === 0,
  }
}

/** A close frame (section 5.5.1) as `from` sends it. `code`: 4000 to 4999 are an application's own. */
export function closeFrame(from: Sender, code: number, reason: string): Buffer {
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])
  if (from === 'server') return Buffer.concat([Buffer.from([0x88, payload.length]), payload])
  // A mask keeps an attacker's text from looking like HTTP to a cache; this text is ours, so that one of zeros will do.
  return Buffer.concat([Buffer.from([0x88, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
