// HTTPS_PROXY and its like on the way to the provider (C14). A proxy of a few lines stands for the company's.
import assert from 'node:assert/strict'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { ProxiesConfig } from '../../src/config/config.ts'
import { createTransport } from '../../src/oidc/transport.ts'
import { createPlatform } from '../../src/runtime.ts'
import { AnswerLost, ProviderUnavailable } from '../../src/errors.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { startProvider } from '../fixtures/provider.ts'

interface Seen {
  readonly method: string
  readonly target: string
  readonly authorization: string | undefined
}

async function aProxy(t: TestContext, refuse?: number) {
  const seen: Seen[] = []
  const server = http.createServer((request, response) => {
    const { method = '', url: target = '', headers } = request
    seen.push({ method, target, authorization: headers['proxy-authorization'] })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"by":"the proxy"}')
  })
  server.on('connect', (request, socket: net.Socket) => {
    const { method = '', url: target = '', headers } = request
    seen.push({ method, target, authorization: headers['proxy-authorization'] })
    if (refuse !== undefined) return void socket.end(`HTTP/1.1 ${refuse} No\r\n\r\n`)
    // Whatever the name is, it is this machine that answers.
    const through = net.connect(Number(target.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      through.pipe(socket).pipe(through)
    })
    for (const one of [through, socket]) one.on('error', () => one.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return { seen, url: `http://127.0.0.1:${port}` }
}

function aTransport(t: TestContext, proxies: Partial<ProxiesConfig>, caPEM?: string) {
  const transport = createTransport({
    caPEM,
    insecureSkipVerify: false,
    clientCertificate: undefined,
    proxies: { http: undefined, https: undefined, except: [], ...proxies },
    timeoutMs: 5_000,
    ...createPlatform(),
    durations: { labels: () => ({ observe: () => undefined }) },
  })
  t.after(() => transport.close())
  const get = (url: string) => transport.send({ operation: 'jwks', url: new URL(url), headers: {}, maxBytes: 100_000 })
  const post = (url: string) =>
    transport.send({
      operation: 'refresh',
      url: new URL(url),
      headers: {},
      form: new URLSearchParams({ a: 'b' }),
      maxBytes: 100_000,
    })
  return { get, post }
}

test('https goes through a tunnel, so that the certificate is still checked end to end (C14)', async (t) => {
  const authority = createAuthority()
  t.after(() => authority.close())
  const { key, cert } = authority.issue('id', { names: ['DNS:id.example.com'] })
  const { ca } = authority
  const op = await startProvider({ tls: { key, cert } })
  t.after(() => op.close())
  const proxy = await aProxy(t)
  const { port } = new URL(op.issuer)
  const proxied = aTransport(t, { https: proxy.url.replace('//', '//user:pass@') }, ca)
  assert.equal((await proxied.get(`https://id.example.com:${port}/jwks`)).status, 200)
  assert.equal((await proxied.post(`https://id.example.com:${port}/token`)).status, 401)
  const authorization = `Basic ${btoa('user:pass')}`
  const tunnel = { method: 'CONNECT', target: `id.example.com:${port}`, authorization }
  assert.deepEqual(proxy.seen, [tunnel, tunnel])
  const untrusting = aTransport(t, { https: proxy.url })
  await assert.rejects(untrusting.get(`https://id.example.com:${port}/jwks`), /UNABLE_TO|SELF_SIGNED|CERT/)
})

test('plain http goes through httpProxy (C14)', async (t) => {
  const proxy = await aProxy(t)
  const { get } = aTransport(t, { http: proxy.url })
  assert.match((await get('http://id.example.com/jwks')).body ?? '', /by/)
  assert.equal(proxy.seen.length, 1)
})

test('this machine’s own loopback is never proxied, nor what noProxy names (C14)', async (t) => {
  const op = await startProvider()
  t.after(() => op.close())
  const proxy = await aProxy(t)
  const { get } = aTransport(t, { http: proxy.url, https: proxy.url, except: ['.internal.invalid', 'id.invalid'] })
  assert.equal((await get(`${op.issuer}/jwks`)).status, 200)
  for (const host of ['id.invalid', 'a.internal.invalid'])
    await assert.rejects(get(`https://${host}/`), /ENOTFOUND|EAI_AGAIN/)
  assert.deepEqual(proxy.seen, [])
})

for (const status of [407, 403, 502]) {
  test(`a proxy that answers ${status} is named in the error, without its password, and nothing was sent to the provider (C14)`, async (t) => {
    const proxy = await aProxy(t, status)
    const { post } = aTransport(t, { https: proxy.url.replace('//', '//user:hunter2@') })
    await assert.rejects(post('https://id.example.com/token'), (error: Error) => {
      assert.ok(error instanceof ProviderUnavailable && !(error instanceof AnswerLost))
      assert.match(error.message, new RegExp(`status ${status}`))
      assert.doesNotMatch(JSON.stringify([error.message, String(error.cause)]), /hunter2/)
      return true
    })
  })
}
