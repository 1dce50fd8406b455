// What comes from where only we and the operator write, should somebody else have written there.
import { parseHostPattern } from '../../../src/config/host-pattern.ts'
import { parsePathPattern } from '../../../src/access/patterns.ts'
import { compileTemplate } from '../../../src/access/template.ts'
import { createInvalidations } from '../../../src/cache/invalidation.ts'
import { createSpoolLines } from '../../../src/cache/spool-line.ts'
import { interpolate } from '../../../src/config/interpolate.ts'
import { createMessages, maxMessageBytes } from '../../../src/peers/message.ts'
import { redisFault } from '../../../src/store/redis/faults.ts'
import { type Reader, headerSize, claimSize, keys, someTicket, session, codec } from './parts.ts'

const messages = createMessages(keys, 'scope')
const invalidations = createInvalidations(keys, 'scope')
const spoolLines = createSpoolLines(keys, 'scope')
const mac = 'A'.repeat(43)

export const stored: readonly Reader[] = [
  {
    name: 'a message of a peer',
    largest: maxMessageBytes,
    run: (text) => messages.readAsk({ body: Buffer.from(text), mac }),
  },
  {
    name: 'the MAC of a message',
    largest: headerSize,
    words: [mac],
    run: (text) => messages.readAsk({ body: Buffer.from(''), mac: text }),
  },
  {
    name: 'a note in the channel',
    largest: headerSize,
    start: 'a 1 changed ',
    run: (text) => invalidations.decode(text),
  },
  { name: 'a line of the spool', largest: headerSize, start: '{"id":"', run: (text) => spoolLines.decode(text) },
  {
    name: 'a value in the store',
    largest: claimSize,
    start: codec
      .encode({ session, tokens: { accessToken: 'a', idToken: undefined, refreshToken: undefined } }, someTicket)
      .toString('latin1'),
    run: (text) => {
      const value = Buffer.from(text, 'latin1')
      codec.decodeTokens(value, someTicket)
      return codec.decode(value, someTicket)
    },
  },
  {
    name: 'what Redis complains of',
    largest: headerSize,
    words: ['NOAUTH ', 'READONLY '],
    run: (text) => redisFault(new Error(text)),
  },
]

export const operator: readonly Reader[] = [
  {
    name: 'a string of the configuration',
    largest: headerSize,
    words: ['${A}', '${A:-', '$${'],
    run: (text) => interpolate(text, { A: 'a' }),
  },
  {
    name: 'the path of a rule',
    largest: headerSize,
    start: '/',
    words: ['**/', '*/'],
    run: (text) => parsePathPattern(text),
  },
  { name: 'the host of a rule', largest: headerSize, words: ['*.', '.:1'], run: (text) => parseHostPattern(text) },
  {
    name: 'the template of a header',
    largest: headerSize,
    start: '{{',
    words: ['.Claims.a', '{{.Claims.a}}', 'default "x" ', '(get .Claims "a")', '| '],
    run: (text) => compileTemplate(text),
  },
]
