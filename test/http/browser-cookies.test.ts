import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CookieConfig } from '../../src/config/config.ts'
import { createBrowserCookies } from '../../src/http/browser-cookies.ts'

const config: CookieConfig = {
  sessionName: '__Host-fg_session',
  flowPrefix: '__Host-fg_flow_',
  passName: '__Host-fg_pass',
  domain: undefined,
  path: '/',
  sameSite: 'lax',
  forceHTTPS: true,
}
const lifetimes = { sessionMaxAgeMs: 86_400_000, passMaxAgeMs: 28_800_000 }
const all = createBrowserCookies(config, lifetimes)
const cookies = all.on('app.example.com')

test('session, pass and flow each live as long as what they stand for', () => {
  assert.equal(cookies.setTicket('t'), '__Host-fg_session=t; Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=Lax')
  assert.equal(cookies.setPass('p'), '__Host-fg_pass=p; Max-Age=28800; Path=/; HttpOnly; Secure; SameSite=Lax')
  assert.equal(
    cookies.setFlow(3, 'v', 900_000),
    '__Host-fg_flow_3=v; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax',
  )
})

test('each is deleted with the attributes it was set with', () => {
  const pairs = [
    [cookies.setTicket('x'), cookies.expireTicket()],
    [cookies.setPass('x'), cookies.expirePass()],
    [cookies.setFlow(1, 'x', 1_000), cookies.expireFlow(1)],
  ] as const
  for (const [set, expire] of pairs) {
    const rest = (line: string) =>
      line
        .split('; ')
        .filter((part) => !/^(Max-Age|Expires)=|=x?$/.test(part))
        .slice(0, 9)
    assert.deepEqual(rest(expire), rest(set))
    assert.match(expire, /=; Max-Age=0; /)
  }
})

test('SameSite strict would lose the flow on the way back from the provider: it stays lax', () => {
  const strict = createBrowserCookies({ ...config, sameSite: 'strict' }, lifetimes).on('app.example.com')
  assert.match(strict.setTicket('t'), /SameSite=Strict/)
  assert.match(strict.setFlow(0, 'v', 1_000), /SameSite=Lax/)
})

test('they are read by their exact names', () => {
  const header = '__Host-fg_session=a; __Host-fg_session2=b; __Host-fg_pass=p; __Host-fg_flow_0=x; __Host-fg_flow_4=y'
  assert.deepEqual(cookies.tickets(header), ['a'])
  assert.deepEqual(cookies.passes(header), ['p'])
  assert.deepEqual(cookies.flows(header), [
    [0, 'x'],
    [4, 'y'],
  ])
  assert.deepEqual([cookies.tickets(undefined), cookies.passes(undefined), cookies.flows(undefined)], [[], [], []])
})

test('a flow cookie of a name that this version does not give is not there', () => {
  for (const id of ['(x)', '@', 'a b', '', '5', '00', '-1', '0m5k2x9qaAbCdEf_1', 'ü']) {
    assert.deepEqual(cookies.flows(`__Host-fg_flow_${id}=x`), [], id)
  }
})

test('ours are not passed on to an application, others are', () => {
  for (const name of ['__Host-fg_session', '__Host-fg_pass', '__Host-fg_flow_x']) assert.equal(all.isOurs(name), true)
  for (const name of ['session', '__Host-fg_sessions', 'fg_session', '']) assert.equal(all.isOurs(name), false)
})
