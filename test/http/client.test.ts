import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createTrustedPeers } from '../../src/http/client.ts'

const peers = createTrustedPeers(['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8'])

const trust: [address: string | undefined, trusted: boolean][] = [
  ['127.0.0.1', true],
  ['127.0.0.2', false],
  ['10.1.2.3', true],
  ['11.0.0.0', false],
  ['::1', true],
  ['::2', false],
  ['fd12::1', true],
  ['fe80::1', false],
  ['::ffff:10.1.2.3', true],
  ['::ffff:11.1.2.3', false],
  ['::ffff:127.0.0.1', true],
  [undefined, false],
  ['', false],
  ['x', false],
]
for (const [address, trusted] of trust) {
  test(`${address} is ${trusted ? '' : 'not '}trusted, also when asked again`, () => {
    assert.equal(peers.includes(address), trusted)
    assert.equal(peers.includes(address), trusted)
  })
}

test('with no entries nobody is trusted', () => {
  const none = createTrustedPeers([])
  for (const address of ['127.0.0.1', '::1', '0.0.0.0']) assert.equal(none.includes(address), false)
})

test('many different peers are told apart as well as few', () => {
  for (let number = 0; number < 3_000; number++) {
    const rest = `${number >> 8}.${number & 255}`
    assert.equal(peers.includes(`10.0.${rest}`), true)
    assert.equal(peers.includes(`192.0.${rest}`), false)
  }
})

const chains: [peer: string, forwarded: string | undefined, client: string][] = [
  ['198.51.100.1', undefined, '198.51.100.1'],
  ['198.51.100.1', '192.0.2.1', '198.51.100.1'],
  ['10.0.0.1', '192.0.2.1', '192.0.2.1'],
  ['10.0.0.1', 'spoofed, 192.0.2.1', '192.0.2.1'],
  ['10.0.0.1', '127.0.0.1, 192.0.2.1', '192.0.2.1'],
  ['10.0.0.1', '192.0.2.1, 10.0.0.2', '192.0.2.1'],
  ['10.0.0.1', '203.0.113.9, 192.0.2.1, 10.0.0.2', '192.0.2.1'],
  ['10.0.0.1', '192.0.2.1, nonsense', '10.0.0.1'],
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', ',,,', '10.0.0.1'],
  ['::ffff:10.0.0.1', ' 192.0.2.1 ', '192.0.2.1'],
  ['10.0.0.1', '::ffff:192.0.2.1', '192.0.2.1'],
  ['10.0.0.1', '2001:db8::1', '2001:db8::1'],
  // With a port, as Azure's Application Gateway writes it, and other spellings of an address (C9).
  ['10.0.0.1', '203.0.113.7:51008', '203.0.113.7'],
  ['10.0.0.1', '192.0.2.9:1, 203.0.113.7:51008', '203.0.113.7'],
  ['10.0.0.1', '192.0.2.1:80, 10.0.0.2:443', '192.0.2.1'],
  ['10.0.0.1', '[2001:db8::1]:51008', '2001:db8::1'],
  ['10.0.0.1', '[2001:db8::1]', '2001:db8::1'],
  ['10.0.0.1', '"[2001:db8::1]:443"', '2001:db8::1'],
  ['10.0.0.1', '2001:DB8:0:0::1', '2001:db8::1'],
  ['10.0.0.1', '[2001:db8::2]:443, [fd00::9]:80', '2001:db8::2'],
  ['10.0.0.1', '[::ffff:192.0.2.1]:80', '192.0.2.1'],
  ['10.0.0.1', 'fe80::1%eth0', 'fe80::1'],
  ['10.0.0.1', '192.0.2.1:', '10.0.0.1'],
  ['10.0.0.1', '192.0.2.1:123456', '10.0.0.1'],
  ['10.0.0.1', '192.0.2.1:80:80', '10.0.0.1'],
  ['10.0.0.1', '[192.0.2.1', '10.0.0.1'],
  ['10.0.0.1', '010.0.0.9', '10.0.0.1'],
  ['10.0.0.1', '127.1', '10.0.0.1'],
  ['10.0.0.1', '0x7f.0.0.1', '10.0.0.1'],
  ['10.0.0.1', 'unknown', '10.0.0.1'],
  ['10.0.0.1', '_hidden:80', '10.0.0.1'],
  ['198.51.100.1', '203.0.113.7:51008', '198.51.100.1'],
]
for (const [peer, forwarded, client] of chains) {
  test(`for the peer ${peer} with X-Forwarded-For ${forwarded} the client is ${client}`, () =>
    assert.equal(peers.clientAddress(peer, { 'x-forwarded-for': forwarded }), client))
}

const both: [name: string, peer: string, forwarded: string | undefined, real: string | undefined, client: string][] = [
  ['X-Real-IP alone counts', '10.0.0.1', undefined, '192.0.2.1', '192.0.2.1'],
  ['beside an empty X-Forwarded-For, too', '10.0.0.1', '', '192.0.2.1', '192.0.2.1'],
  ['with a port', '10.0.0.1', undefined, '192.0.2.1:51008', '192.0.2.1'],
  ['IPv6', '10.0.0.1', undefined, '[2001:DB8::1]:443', '2001:db8::1'],
  ['not from a stranger', '198.51.100.1', undefined, '192.0.2.1', '198.51.100.1'],
  ['not when it is none', '10.0.0.1', undefined, 'nonsense', '10.0.0.1'],
  ['not when it is repeated', '10.0.0.1', undefined, '192.0.2.1, 192.0.2.2', '10.0.0.1'],
  ['both agree', '10.0.0.1', '192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['both agree but for the port', '10.0.0.1', '192.0.2.1:9', '192.0.2.1', '192.0.2.1'],
  ['what a client put in front of the last entry', '10.0.0.1', '203.0.113.9, 192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['X-Real-IP names a proxy in between', '10.0.0.1', '192.0.2.1, 10.0.0.2', '10.0.0.2', '192.0.2.1'],
  [
    'a recipe with X-Real-IP alone, and a client that makes up the other',
    '10.0.0.1',
    '203.0.113.9',
    '192.0.2.1',
    '10.0.0.1',
  ],
  ['one with X-Forwarded-For alone, and the same', '10.0.0.1', '192.0.2.1', '203.0.113.9', '10.0.0.1'],
  ['a made-up one that is no address changes nothing', '10.0.0.1', '192.0.2.1', 'nonsense', '192.0.2.1'],
  ['nor does it open the other', '10.0.0.1', 'nonsense', '203.0.113.9', '10.0.0.1'],
]
for (const [name, peer, forwarded, real, client] of both) {
  test(`X-Forwarded-For ${forwarded} and X-Real-IP ${real}: ${name}: ${client} (C9)`, () =>
    assert.equal(peers.clientAddress(peer, { 'x-forwarded-for': forwarded, 'x-real-ip': real }), client))
}

const stated: [name: string, peer: string | undefined, headers: Record<string, string>, client: string | undefined][] =
  [
    ['a stranger’s own address, whatever it says', '198.51.100.1', { 'x-forwarded-for': '192.0.2.1' }, '198.51.100.1'],
    ['on a dual-stack socket', '::ffff:198.51.100.1', {}, '198.51.100.1'],
    [
      'no address: a Unix socket, a connection that has ended',
      undefined,
      { 'x-forwarded-for': '192.0.2.1' },
      undefined,
    ],
    ['what the proxy says', '10.0.0.1', { 'x-forwarded-for': '192.0.2.1' }, '192.0.2.1'],
    ['past further proxies', '10.0.0.1', { 'x-forwarded-for': '192.0.2.1, 10.0.0.2' }, '192.0.2.1'],
    ['not what the client put in front', '10.0.0.1', { 'x-forwarded-for': '10.9.9.9, 192.0.2.1' }, '192.0.2.1'],
    ['mapped, with a port', '10.0.0.1', { 'x-forwarded-for': '[::ffff:192.0.2.1]:443' }, '192.0.2.1'],
    ['X-Real-IP alone', '10.0.0.1', { 'x-real-ip': '192.0.2.1' }, '192.0.2.1'],
    ['a silent proxy is not its own client', '10.0.0.1', {}, undefined],
    ['nor on loopback', '127.0.0.1', {}, undefined],
    ['an empty header', '10.0.0.1', { 'x-forwarded-for': '' }, undefined],
    ['a damaged header', '10.0.0.1', { 'x-forwarded-for': '192.0.2.1, unknown' }, undefined],
    ['nothing but proxies', '10.0.0.1', { 'x-forwarded-for': '10.5.5.5' }, undefined],
    ['the proxy itself', '10.0.0.1', { 'x-forwarded-for': '10.0.0.1', 'x-real-ip': '10.0.0.1' }, undefined],
    ['a contradiction', '10.0.0.1', { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.9' }, undefined],
    ['X-Real-IP twice', '10.0.0.1', { 'x-real-ip': '192.0.2.1, 192.0.2.1' }, undefined],
  ]
for (const [name, peer, headers, client] of stated) {
  test(`for a rule by network, ${peer} with ${JSON.stringify(headers)}: ${name} (C14)`, () =>
    assert.equal(peers.statedClient(peer, headers), client))
}

test('whatever a client adds, no recipe makes a rule believe another address than its own (C14)', () => {
  const made = fc.oneof(fc.constant(''), fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 20 }))
  const allowed = (client: string, seen: string | undefined) =>
    assert.ok(seen === client || seen === undefined, String(seen))
  fc.assert(
    fc.property(fc.ipV4(), made, made, (client, forwarded, real) => {
      if (peers.includes(client)) return
      for (const headers of [
        { 'x-forwarded-for': forwarded, 'x-real-ip': client },
        { 'x-forwarded-for': `${forwarded}, ${client}`, 'x-real-ip': real },
        { 'x-forwarded-for': client, 'x-real-ip': real },
      ])
        allowed(client, peers.statedClient('10.0.0.1', headers))
    }),
    { numRuns: 3_000 },
  )
})

test('whatever a client adds, behind either recipe it has its own address or the proxy’s (C9)', () => {
  const address = fc.ipV4()
  const made = fc.oneof(fc.constant(''), address, fc.ipV6(), fc.string({ maxLength: 20 }))
  const allowed = (client: string, seen: string) => assert.ok(seen === client || seen === '10.0.0.1', seen)
  fc.assert(
    fc.property(address, made, made, (client, forwarded, real) => {
      if (peers.includes(client)) return
      // nginx with `X-Real-IP $remote_addr` alone; with `$proxy_add_x_forwarded_for` alone; a proxy that sets X-Forwarded-For.
      allowed(client, peers.clientAddress('10.0.0.1', { 'x-forwarded-for': forwarded, 'x-real-ip': client }))
      allowed(
        client,
        peers.clientAddress('10.0.0.1', { 'x-forwarded-for': `${forwarded}, ${client}`, 'x-real-ip': real }),
      )
      allowed(client, peers.clientAddress('10.0.0.1', { 'x-forwarded-for': client, 'x-real-ip': real }))
    }),
    { numRuns: 3_000 },
  )
})

test('a mapped range is the IPv4 range that it means', () => {
  const mapped = createTrustedPeers(['::ffff:10.0.0.0/104'])
  assert.deepEqual(
    ['10.9.9.9', '::ffff:10.9.9.9', '::FFFF:0A09:0909', '11.0.0.1', '::a09:909'].map((one) => mapped.includes(one)),
    [true, true, true, false, false],
  )
})

test('a list as long as a header can be costs no more than its last entries', { timeout: 10_000 }, () => {
  const before = process.cpuUsage().user
  for (const entry of ['192.0.2.1', '10.0.0.1', 'x', '"', '[', ':', ' '])
    peers.clientAddress('10.0.0.1', { 'x-forwarded-for': `${entry},`.repeat(32_000 / (entry.length + 1)) })
  assert.ok(process.cpuUsage().user - before < 500_000)
})
