import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { CookieConfig } from '../../src/config/config.ts'
import { cookieBudget, createCookieRepair, passRoom } from '../../src/http/cookie-budget.ts'
import { flowCookieLength, flowSlots } from '../../src/login/flow.ts'

const plain: CookieConfig = {
  sessionName: 'fg_session',
  flowPrefix: 'fg_flow_',
  passName: 'fg_pass',
  domain: undefined,
  path: '/',
  sameSite: 'lax',
  forceHTTPS: false,
}
const guarded: CookieConfig = {
  ...plain,
  sessionName: '__Host-fg_session',
  flowPrefix: '__Host-fg_flow_',
  passName: '__Host-fg_pass',
  forceHTTPS: true,
}
const wide: CookieConfig = { ...plain, domain: '.example.com' }

const ticket = `fg_session=${'t'.repeat(65)}`
const flow = (slot: number) => `fg_flow_${slot}=${'f'.repeat(flowCookieLength)}`
const oldFlow = (at: number, length = 900) => `fg_flow_0m5k2x9q${at}AbCdEf_${at}=${'o'.repeat(length)}`
const flows = Array.from({ length: flowSlots }, (_, slot) => flow(slot))
const pass = (config: CookieConfig) => `${config.passName}=${'p'.repeat(passRoom(config))}`

const repair = (pairs: readonly string[], config = plain, set: readonly string[] = [], host = 'app.example.com') =>
  createCookieRepair(config)({ cookie: pairs.join('; '), host }, set)
const deleted = (lines: readonly string[]) => lines.map((line) => line.slice(0, line.indexOf('=')))

for (const config of [plain, guarded, wide]) {
  test(`all that this version sets fits, beside the longest pass (${config.sessionName}, ${config.domain}) (B5)`, () => {
    const all = [ticket, ...flows].map((pair) => pair.replace('fg_', config.flowPrefix.replace('flow_', '')))
    const pairs = [...all, pass(config)]
    assert.ok(pairs.join('; ').length <= cookieBudget)
    assert.ok(pairs.join('; ').length >= cookieBudget - 2, 'and no byte is given away')
    assert.deepEqual(repair(pairs, config), [])
  })
}

const untouched: [name: string, pairs: string[]][] = [
  ['an empty jar', []],
  ['other cookies, however large', [`app=${'x'.repeat(6_000)}`]],
  ['a full jar of ours beside other cookies', [`app=${'x'.repeat(6_000)}`, ticket, ...flows, pass(plain)]],
  ['a cookie of an older version that fits', [ticket, oldFlow(1)]],
  ['cookies whose names only contain ours', [`xfg_flow_1=${'x'.repeat(5_000)}`, `a=fg_pass=${'x'.repeat(5_000)}`]],
]
for (const [name, pairs] of untouched) {
  test(`nothing is deleted from ${name} (B5)`, () => assert.deepEqual(repair(pairs), []))
}

test('no header, no repair', () => assert.deepEqual(createCookieRepair(plain)({}, []), []))

test('flow cookies of an older version go, as many as it takes, the largest first, and ours stay (B5)', () => {
  const lines = repair([ticket, ...flows, oldFlow(1, 700), oldFlow(2, 2_000), oldFlow(3, 2_000)])
  assert.deepEqual(deleted(lines), [
    'fg_flow_0m5k2x9q2AbCdEf_2',
    'fg_flow_0m5k2x9q2AbCdEf_2',
    'fg_flow_0m5k2x9q2AbCdEf_2',
  ])
  assert.match(lines[0] ?? '', /^fg_flow_0m5k2x9q2AbCdEf_2=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970/)
})

test('what the answer sets counts, and what it replaces does not', () => {
  const jar = [ticket, ...flows, oldFlow(1, 2_000)]
  assert.deepEqual(repair(jar), [])
  const set = [`${pass(plain)}; Max-Age=28800; Path=/`]
  assert.deepEqual(new Set(deleted(repair(jar, plain, set))), new Set(['fg_flow_0m5k2x9q1AbCdEf_1']))
  const replaced = [ticket, ...flows, `fg_pass=${'p'.repeat(3_900)}`]
  assert.deepEqual(repair(replaced, plain, ['fg_pass=short; Max-Age=1']), [])
  assert.deepEqual(new Set(deleted(repair(replaced))), new Set(['fg_pass']))
})

test('a double of another domain or path goes, the one that we set stays (B5)', () => {
  const jar = [ticket, pass(wide), pass(wide)]
  const lines = repair(jar, wide)
  assert.ok(lines.length > 0)
  for (const line of lines) {
    assert.match(line, /^fg_pass=; Max-Age=0; /)
    assert.doesNotMatch(line, /Domain=\.?example\.com;/, 'ours')
  }
  assert.ok(
    lines.some((line) => !line.includes('Domain=')),
    'the host’s own',
  )
  assert.ok(lines.some((line) => line.includes('Domain=app.example.com')))
})

test('a value that this version cannot have set goes wherever it was planted, ours included (B5)', () => {
  const lines = repair([ticket, `fg_flow_2=${'x'.repeat(4_080)}`])
  assert.ok(lines.some((line) => line.startsWith('fg_flow_2=; Max-Age=0; Path=/; Expires')))
  assert.ok(lines.some((line) => line.includes('Domain=app.example.com')))
  assert.ok(lines.some((line) => line.includes('Domain=example.com')))
  assert.ok(!lines.some((line) => line.includes('Domain=com')))
})

test('a __Host- cookie has no double', () => {
  const lines = repair([`${guarded.passName}=${'x'.repeat(4_500)}`], guarded)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^__Host-fg_pass=; Max-Age=0; Path=\/; .*Secure/)
})

test('an answer spends no more than a proxy takes, and the next ones do the rest (B5)', () => {
  let jar = [ticket, ...flows, ...Array.from({ length: 60 }, (_, at) => oldFlow(100 + at, 250))]
  let answers = 0
  for (; jar.join('; ').length > cookieBudget && answers < 20; answers++) {
    const lines = repair(jar)
    assert.ok(lines.join('').length <= 2_500)
    const gone = new Set(deleted(lines))
    jar = jar.filter((pair) => !gone.has(pair.slice(0, pair.indexOf('='))))
  }
  assert.ok(answers < 20)
  assert.ok(jar.includes(ticket) && flows.every((each) => jar.includes(each)))
})

for (const host of ['', 'localhost', '127.0.0.1', '[::1]', 'a\r\nb', 'x; Domain=evil.example', '..', 'com']) {
  test(`no domain is made of the host ${JSON.stringify(host)}`, () =>
    assert.ok(repair([oldFlow(1, 5_000)], plain, [], host).every((line) => !line.includes('Domain='))))
}

test('property: whatever is in a jar, lines are well-formed, of our names, and never touch a good ticket alone', () => {
  const value = fc.nat(900).map((length) => 'v'.repeat(length))
  const name = fc.constantFrom('fg_pass', 'fg_flow_1', 'fg_flow_x', 'fg_flow_(', 'app', 'fg_flow_', 'fg_flow_\u0001')
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(name, value).map(([key, text]) => `${key}=${text}`),
        { maxLength: 40 },
      ),
      (others) => {
        for (const line of repair([ticket, ...others])) {
          assert.match(line, /^fg_(?:pass|flow_[\w(]*)=; Max-Age=0; /)
        }
      },
    ),
  )
})

test('on a host of another domain, whose cookies are for it alone, none that we set goes', () => {
  const lines = repair(
    [ticket, ...Array.from({ length: 5 }, () => `fg_session=${'x'.repeat(900)}`)],
    wide,
    [],
    'app.other.org',
  )
  assert.ok(lines.length > 0)
  assert.ok(
    lines.every((line) => line.includes('Domain=') || !/Path=\/(;|$)/.test(line)),
    lines.join('\n'),
  )
})
