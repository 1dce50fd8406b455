// Rules by the client's network behind real proxies: a client's own address counts, whatever it says of itself. Loopback has many
// addresses; the proxy's is the first of them.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { proxies } from '../fixtures/proxies.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const office = '127.0.0.2'
const stranger = '127.0.0.3'
const proxy = '127.0.0.1'
const notHere = process.platform === 'linux' ? false : 'only Linux answers on all of 127.0.0.0/8'

const pretences: [name: string, headers: Record<string, string | string[]>][] = [
  ['nothing', {}],
  ['X-Forwarded-For', { 'X-Forwarded-For': office }],
  ['X-Forwarded-For twice', { 'X-Forwarded-For': [office, office] }],
  ['X-Forwarded-For with itself behind', { 'X-Forwarded-For': `${office}, ${stranger}` }],
  ['X-Forwarded-For with the proxy behind', { 'X-Forwarded-For': `${office}, ${proxy}` }],
  ['an empty X-Forwarded-For and X-Real-IP', { 'X-Forwarded-For': '', 'X-Real-IP': office }],
  ['X-Real-IP', { 'X-Real-IP': office }],
  ['both', { 'X-Forwarded-For': office, 'X-Real-IP': office }],
  [
    'Forwarded and the names of others',
    { Forwarded: `for=${office}`, 'True-Client-IP': office, 'X-Client-IP': office },
  ],
  ['other spellings', { X_Forwarded_For: office, 'X.Forwarded.For': office, X_Real_IP: office }],
  [
    'X-Real-IP, and a Connection that takes the other away',
    { Connection: 'close, X-Forwarded-For', 'X-Real-IP': office },
  ],
  [
    'both, and a Connection that takes them away',
    { Connection: 'X-Real-IP, X-Forwarded-For', 'X-Forwarded-For': office },
  ],
  ['a mapped address with a port', { 'X-Forwarded-For': `[::ffff:${office}]:443` }],
]

for (const { name, startProxy, skip } of proxies) {
  describe(`behind ${name}, by network`, { skip: skip || notHere }, () => {
    let site: Site
    before(async () => {
      site = await startSite({
        startProxy,
        config: {
          trustedProxies: [proxy],
          rules: [
            { path: '/api/whoami/office', networks: [office], policy: 'public' },
            { path: '/api/whoami/banned', networks: [stranger], policy: 'deny' },
            { path: '/api/whoami/banned', policy: 'public' },
          ],
        },
      })
    })
    after(() => site?.stop())

    function statusFrom(
      localAddress: string,
      path: string,
      headers: Record<string, string | string[]>,
    ): Promise<number> {
      return new Promise((resolve, reject) => {
        const asked = { host: proxy, port: site.port, path, localAddress, agent: false }
        const sent = request(
          { ...asked, headers: { accept: '*/*', host: `localhost:${site.port}`, ...headers } },
          (reply) => {
            reply.resume()
            reply.on('end', () => resolve(reply.statusCode ?? 0))
            reply.on('error', reject)
          },
        )
        sent.on('error', reject)
        sent.end()
      })
    }

    for (const [pretence, headers] of pretences) {
      test(`who is not in the network stays out, and who is banned stays banned, saying ${pretence} (C14)`, async () => {
        assert.equal(await statusFrom(stranger, '/api/whoami/office', headers), 401)
        assert.equal(await statusFrom(stranger, '/api/whoami/banned', headers), 403)
      })
    }

    test('who is in the network is let in, and the ban is for others (C14)', async () => {
      assert.equal(await statusFrom(office, '/api/whoami/office', {}), 200)
      assert.equal(await statusFrom(office, '/api/whoami/office', { 'X-Forwarded-For': stranger }), 200)
      assert.equal(await statusFrom(office, '/api/whoami/banned', {}), 200)
    })

    test('the proxy’s own address is nobody’s (C14)', async () => {
      assert.equal(await statusFrom(proxy, '/api/whoami/office', { 'X-Forwarded-For': office }), 401)
      assert.equal(await statusFrom(proxy, '/api/whoami/banned', {}), 403)
    })
  })
}
