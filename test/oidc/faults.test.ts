// What is said of a provider that cannot be reached: the address, what came, and what would be right.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectionFault, noDocument, timeoutFault } from '../../src/oidc/faults.ts'
import type { ProviderRequest } from '../../src/oidc/transport.ts'

const discovery = {
  operation: 'discovery',
  url: new URL('https://id.example.com/realms/a/.well-known/openid-configuration?p=b2c'),
  namedBy: 'providerURL',
} satisfies Partial<ProviderRequest>
const token = { operation: 'token', url: new URL('https://id.example.com/token') } satisfies Partial<ProviderRequest>
const plain = { ...discovery, url: new URL('http://id.example.com/.well-known/openid-configuration') }
const direct = { proxy: undefined }
const failed = (code: string, message = 'secret words') => Object.assign(new Error(message), { code })

const connections: [code: string, words: RegExp][] = [
  ['ENOTFOUND', /the host name id\.example\.com does not resolve \(ENOTFOUND\): check providerURL, and the DNS/],
  ['ECONNREFUSED', /the connection is refused \(ECONNREFUSED\): is the provider running/],
  ['EHOSTUNREACH', /there is no way to this host .*httpsProxy/],
  ['UND_ERR_CONNECT_TIMEOUT', /no connection in time .*firewall/],
  ['ECONNRESET', /closed before the whole answer came \(ECONNRESET\)/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', /the certificate is not for id\.example\.com/],
  ['CERT_HAS_EXPIRED', /has expired .*clocks/],
  ['SELF_SIGNED_CERT_IN_CHAIN', /not signed by an authority that is trusted here .*set caCertPath/],
  ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS .*is it an http:\/\/ address/],
  ['HPE_INVALID_CONSTANT', /does not speak HTTP .*is it an https:\/\/ address/],
  ['EWHATEVER', /: EWHATEVER$/],
]

describe('a provider that cannot be reached', () => {
  for (const [code, words] of connections) {
    test(`because of ${code} is told by the address that was asked, and what to do`, () => {
      const message = connectionFault(discovery, failed(code), direct)
      assert.match(message, words)
      assert.ok(message.startsWith('discovery: https://id.example.com/realms/a/.well-known/openid-configuration: '))
      assert.doesNotMatch(message, /secret words|b2c/)
    })
  }

  test('by an address of its own document is not the fault of providerURL', () => {
    assert.match(connectionFault(token, failed('ENOTFOUND'), direct), /check the discovery document of the provider/)
  })

  test('over http may expect https', () => {
    assert.match(connectionFault(plain, failed('ECONNRESET'), direct), /does this port expect https/)
  })

  test('by way of a proxy names the proxy', () => {
    assert.match(
      connectionFault(discovery, failed('ENOTFOUND'), { proxy: 'proxy.example:3128' }),
      /by way of the proxy proxy\.example:3128, unless noProxy names this host/,
    )
    assert.match(timeoutFault(discovery, 5_000, { proxy: 'proxy.example:3128' }), /or the proxy proxy\.example:3128/)
  })

  for (const [status, words] of [
    [407, /the proxy refuses the way there \(status 407\): put its user and password into httpsProxy/],
    [403, /the proxy refuses the way there \(status 403\): it has to allow this host/],
  ] as const) {
    test(`because the proxy says ${status} is told so`, () => {
      const cause = failed('UND_ERR_ABORTED', `Proxy response (${status}) !== 200 when HTTP Tunneling`)
      assert.match(connectionFault(discovery, cause, { proxy: 'proxy.example:3128' }), words)
    })
  }
})

const answers: [name: string, status: number, request: typeof discovery, extra: object, words: RegExp][] = [
  ['404', 404, discovery, {}, /status 404: there is no discovery document: providerURL must be the issuer/],
  ['403', 403, discovery, {}, /status 403: something in front/],
  ['502', 502, discovery, {}, /status 502: the provider, or what stands in front of it, is in trouble/],
  ['400 over http', 400, plain, {}, /status 400: does this port expect https/],
  ['418', 418, discovery, {}, /status 418$/],
  [
    'a redirect',
    301,
    plain,
    { location: 'https://id.example.com/x?code=1' },
    /status 301: it leads to https:\/\/id\.example\.com\/x, and redirects are not followed/,
  ],
  ['a page', 200, discovery, { contentType: 'text/html' }, /a web page \(text\/html\) came: providerURL must be/],
  ['a list', 200, discovery, {}, /the answer is not a JSON object/],
]
for (const [name, status, request, extra, words] of answers) {
  test(`discovery that is answered with ${name} says what would be right`, () => {
    assert.match(noDocument(request, { status, contentType: 'application/json', body: '[]', ...extra }), words)
  })
}

test('where the document itself was named, it is that address which is wrong', () => {
  const request = { ...discovery, namedBy: 'discoveryURL' } as const
  const answer = { status: 404, contentType: 'text/html', body: '' }
  assert.match(noDocument(request, answer), /discoveryURL must be the address of the document itself/)
})
