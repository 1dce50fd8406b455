// How a proxy describes the browser's request, and what else is read of every request.
import { originalRequest } from '../../../src/access/canonical.ts'
import type { Contract } from '../../../src/config/contracts.ts'
import { createReaders, envoyPrefix } from '../../../src/http/contracts.ts'
import { isNavigation } from '../../../src/http/negotiation.ts'
import { requestIdOf } from '../../../src/http/request-id.ts'
import { createEndpointRequestReader } from '../../../src/http/endpoint-request.ts'
import { asHeader } from '../recipes.ts'
import { clientNetwork } from '../../../src/cache/client-network.ts'
import { type Reader, headerSize, peers, app, rules } from './parts.ts'

/** One contract by one of the headers that it reads, the others being what its proxy sends. */
function byContract(): Reader[] {
  const sane = {
    host: 'app.example.com',
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': '/',
  }
  const starts: Readonly<Record<string, string>> = {
    'x-forwarded-uri': '/',
    'x-original-url': 'https://app.example.com/',
  }
  const contracts = createReaders('traefik')
  const ofContract = (contract: Contract, header: string, start: string): Reader => ({
    name: `the contract ${contract}: ${header}`,
    as: asHeader,
    largest: headerSize,
    start,
    words: ['https://', '/oauth2/'],
    run: (text) => {
      const isNginx = contract === 'nginx'
      const headers = isNginx ? { 'x-original-url': 'https://app.example.com/', 'x-original-method': 'GET' } : sane
      const read = contracts[contract]({
        method: 'GET',
        headers: header === 'url' ? headers : { ...headers, [header]: text },
        url: header === 'url' ? envoyPrefix + text : '/',
      })
      return rules.policyFor(read)
    },
  })
  return [
    ...Object.keys(sane).map((header) => ofContract('traefik', header, starts[header] ?? '')),
    ...['x-original-url', 'x-original-method'].map((header) => ofContract('nginx', header, starts[header] ?? '')),
    ofContract('nginx', 'x-original-url', 'https://a.'),
    ofContract('envoy', 'url', '/'),
    ofContract('envoy', 'host', ''),
    ofContract('oauth2-proxy', 'x-forwarded-uri', '/'),
  ]
}

export const request: readonly Reader[] = [
  ...['/', '/?', '/a/', '/%', '//'].map((start) => ({
    name: `the request target after ${start}`,
    as: asHeader,
    largest: headerSize / 2,
    start,
    words: ['..;', '%2e%2e'],
    run: (target: string) => rules.policyFor(originalRequest({ ...app, method: 'GET', target: target })),
  })),
  {
    name: 'the path of a rule among many with wildcards',
    largest: headerSize / 2,
    start: '/',
    words: ['private/', 'a/', 'b/', 'x'],
    run: (target) => {
      for (const host of ['app.example.com', 'a.a.a.a']) {
        rules.policyFor(originalRequest({ ...app, host, method: 'GET', target }))
      }
    },
  },
  {
    name: 'the host',
    as: asHeader,
    largest: headerSize,
    words: ['a.', 'example.com', '0x'],
    run: (host) => rules.policyFor(originalRequest({ ...app, method: 'GET', host: host, target: '/' })),
  },
  {
    name: 'the host, as an IPv6 address',
    as: asHeader,
    largest: headerSize,
    start: '[',
    run: (host) => originalRequest({ ...app, method: 'GET', host: `${host}]`, target: '/' }),
  },
  ...byContract(),
  {
    name: 'X-Forwarded-For',
    as: asHeader,
    largest: headerSize,
    words: ['10.0.0.1,', 'fd00::1, ', '::ffff:10.0.0.1,'],
    run: (text) => clientNetwork(peers.clientAddress('127.0.0.1', { 'x-forwarded-for': text })),
  },
  {
    name: 'a long IPv6 address with a zone',
    as: asHeader,
    largest: headerSize,
    start: '10.0.0.1,fe80::1%',
    run: (text) => clientNetwork(peers.clientAddress('127.0.0.1', { 'x-forwarded-for': text })),
  },
  {
    name: 'Host and X-Forwarded-Host of a visit',
    as: asHeader,
    largest: headerSize,
    words: ['xn--'],
    run: (text) => {
      const endpointRequestOf = createEndpointRequestReader({ peers, requestIdOf: () => 'id' })
      const headers = { host: text, 'x-forwarded-host': text, 'x-forwarded-proto': text }
      // Only these fields are read.
      return endpointRequestOf({ url: text, headers, socket: { remoteAddress: '127.0.0.1' } } as never)
    },
  },
  {
    name: 'the request id',
    as: asHeader,
    largest: headerSize,
    run: (text) => requestIdOf({ 'x-request-id': text }, () => 'id'),
  },
  {
    name: 'what a request accepts',
    as: asHeader,
    largest: headerSize,
    words: ['text/html', 'navigate'],
    run: (text) => {
      isNavigation('GET', { 'sec-fetch-mode': text })
      return isNavigation('GET', { accept: text })
    },
  },
]
