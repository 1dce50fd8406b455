import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { assert as check, constantFrom, property, stringMatching } from 'fast-check'
import { ProviderUnavailable } from '../../src/errors.ts'
import { createLogger, type LogLevel } from '../../src/telemetry/pino.ts'

function captured(level: LogLevel = 'debug') {
  const lines: string[] = []
  const logger = createLogger({ level, destination: { write: (line) => lines.push(line) } })
  const last = (): Record<string, unknown> => {
    const parsed: unknown = JSON.parse(lines.at(-1) ?? 'null')
    assert.ok(typeof parsed === 'object' && parsed !== null)
    return Object.fromEntries(Object.entries(parsed))
  }
  return { logger, lines, last }
}

test('one call is one line of JSON with level, time, event, fields and message', () => {
  const { logger, lines, last } = captured()
  logger.warn({ event: 'circuit_opened', failures: 5 }, 'circuit breaker is open\nsecond line')
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^[^\n]+\n$/)
  const { time, ...rest } = last()
  assert.deepEqual(rest, {
    level: 'warn',
    event: 'circuit_opened',
    failures: 5,
    msg: 'circuit breaker is open\nsecond line',
  })
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

const levels: [level: LogLevel, written: LogLevel[]][] = [
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
]
for (const [level, written] of levels) {
  test(`level ${level} writes ${written.join(', ')} and nothing else`, () => {
    const { logger, lines } = captured(level)
    for (const at of ['debug', 'info', 'warn', 'error'] as const) logger[at]({ event: 'x' }, at)
    assert.deepEqual(
      lines.map((line) => /"level":"(\w+)"/.exec(line)?.[1]),
      written,
    )
  })
}

const secretNames = [
  'secret',
  'clientSecret',
  'client_secret',
  'accessToken',
  'id_token_hint',
  'Refresh-Token',
  'cookie',
  'Set-Cookie',
  'authorization',
  'Authorization',
  'proxy-authorization',
  'password',
  'code',
  'state',
  'nonce',
  'codeVerifier',
  'code_verifier',
  'client_assertion',
  'ticket',
  'sessionEncryptionKey',
  'privateKeyPEM',
]
for (const name of secretNames) {
  test(`a field named ${name} is never written, at any depth`, () => {
    const { logger, lines } = captured()
    logger.error(
      {
        event: 'x',
        [name]: 'hunter2',
        one: { [name]: ['hunter2'], two: { [name]: 'hunter2', three: { [name]: 'hunter2' } } },
        list: [{ [name]: { inner: 'hunter2' } }],
      },
      'm',
    )
    assert.equal(lines.length, 1)
    assert.doesNotMatch(lines[0] ?? '', /hunter2/)
    assert.match(lines[0] ?? '', /\[redacted\]/)
  })
}

test('counts and flags about secrets stay readable', () => {
  const { logger, last } = captured()
  logger.info({ event: 'x', hasRefreshToken: true, tokens: 3, errorCode: 'ECONNREFUSED' }, 'm')
  const { hasRefreshToken, tokens, errorCode } = last()
  assert.deepEqual(
    { hasRefreshToken, tokens, errorCode },
    { hasRefreshToken: true, tokens: 3, errorCode: 'ECONNREFUSED' },
  )
})

const urls: [given: unknown, written: unknown][] = [
  ['https://op.example/cb?code=abc&state=def', 'https://op.example/cb'],
  ['https://op.example/cb#access_token=abc', 'https://op.example/cb'],
  ['/oauth2/callback?code=abc', '/oauth2/callback'],
  ['redis://user:hunter2@cache.example:6379/0', 'redis://cache.example:6379/0'],
  ['?code=abc', ''],
  [new URL('https://op.example/cb?code=abc'), 'https://op.example/cb'],
  ['GET /cb?code=abc failed', 'GET /cb failed'],
  ['what is wrong?', 'what is wrong?'],
  ['issue #12', 'issue #12'],
  ['eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln', '[redacted]'],
  ['Authorization: Bearer abcdefgh12345', 'Authorization: Bearer [redacted]'],
  [Buffer.from('hunter2'), '[7 bytes]'],
]
for (const [given, written] of urls) {
  test(`${typeof given === 'string' ? given : Object.prototype.toString.call(given)} is written as ${String(written)}`, () => {
    const { logger, last } = captured()
    logger.info({ event: 'x', url: given }, 'm')
    assert.equal(last()['url'], written)
  })
}

test('the message loses queries too', () => {
  const { logger, last } = captured()
  logger.info({ event: 'x' }, 'cannot fetch https://op.example/token?client_secret=hunter2 now')
  assert.equal(last()['msg'], 'cannot fetch https://op.example/token now')
})

test('no generated query value survives in a URL, wherever the URL stands', () => {
  const secret = stringMatching(/^[A-Za-z0-9_-]{12,40}$/)
  check(
    property(secret, constantFrom('https://a.example', '', 'http://[::1]:80'), (value, origin) => {
      const { logger, lines } = captured()
      const url = `${origin}/path/to?x=1&code=${value}#y=${value}`
      logger.info({ event: 'x', url, deep: { list: [url] }, error: new Error(`no: ${url}`) }, `went to ${url}`)
      assert.equal(lines.join('').includes(value), false)
    }),
    { numRuns: 200 },
  )
})

test('an error is written as type, message, code and cause, without what a library hung on it', () => {
  const { logger, lines, last } = captured()
  const inner = Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' })
  const error = Object.assign(new ProviderUnavailable('the token endpoint did not answer', { cause: inner }), {
    response: { headers: { 'x-debug': 'hunter2' }, body: 'hunter2' },
    body: 'hunter2',
  })
  logger.error({ event: 'provider_failed', error, err: error }, 'm')
  const { error: described, err } = last()
  assert.deepEqual(err, described)
  assert.ok(typeof described === 'object' && described !== null)
  const { cause, ...own } = Object.fromEntries(Object.entries(described))
  assert.deepEqual(own, {
    type: 'ProviderUnavailable',
    message: 'the token endpoint did not answer',
    code: 'PROVIDER_UNAVAILABLE',
  })
  assert.deepEqual(cause, { type: 'Error', message: 'connect failed', code: 'ECONNREFUSED' })
  assert.doesNotMatch(lines.join(''), /hunter2/)
})

test('an unexpected error keeps its stack', () => {
  const { logger, last } = captured()
  logger.error({ event: 'x', error: new TypeError('boom') }, 'm')
  assert.match(JSON.stringify(last()['error']), /TypeError: boom\\n {4}at /)
})

test('requests, cycles and huge values neither crash the logger nor fill the line', () => {
  const { logger, lines } = captured()
  const cycle: Record<string, unknown> = { name: 'cycle' }
  cycle['self'] = cycle
  logger.info({ event: 'x', cycle, request: new Request('http://a.example/?code=hunter2'), long: 'y'.repeat(1e6) }, 'm')
  logger.info({ event: 'x', many: Array.from({ length: 1e5 }, () => 'z'), big: 10n, map: new Map([['k', 'v']]) }, 'm')
  assert.equal(lines.length, 2)
  for (const line of lines) assert.ok(line.length < 20_000, String(line.length))
  assert.doesNotMatch(lines.join(''), /hunter2/)
})

const program = (last: string) =>
  `import { createLogger } from ${JSON.stringify(new URL('../../src/telemetry/pino.ts', import.meta.url).href)}
   const log = createLogger({ level: 'info' })
   log.info({ event: 'one' }, 'm')
   ${last}`
const run = (last: string, command = 'exec "$0" --input-type=module -e "$1"') =>
  promisify(execFile)('/bin/bash', ['-c', command, process.execPath, program(last)], { timeout: 20_000 })

for (const [name, last] of [
  ['ends by itself', ''],
  ['exits', 'process.exit(0)'],
  ['throws', 'process.on("uncaughtException", () => process.exit(0)); throw new Error("x")'],
] as const) {
  test(`a process that ${name} writes its last lines to standard output`, async () => {
    assert.match((await run(last)).stdout, /^\{[^\n]*"event":"one"[^\n]*\}\n$/)
  })
}

test('a reader that leaves does not keep the process from ending (pino 10: its last flush never gives up)', async () => {
  const untilGone = `
    import { writeSync } from 'node:fs'
    const isThere = () => { try { writeSync(1, '\\n'); return true } catch (error) { return error.code !== 'EPIPE' } }
    while (isThere());
    log.info({ event: 'two' }, 'm')
    log.flush()`
  const { stderr } = await run(untilGone, '"$0" --input-type=module -e "$1" | true')
  assert.equal(stderr, '')
})
