import assert from 'node:assert/strict'
import { test } from 'node:test'
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
]
for (const [peer, forwarded, client] of chains) {
  test(`for the peer ${peer} with X-Forwarded-For ${forwarded} the client is ${client}`, () =>
    assert.equal(peers.clientAddress(peer, { 'x-forwarded-for': forwarded }), client))
}
