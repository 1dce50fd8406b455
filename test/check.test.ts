// `check --connect` and the provider: it says "reached" only of one that logins will work with.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConnections } from '../src/check.ts'
import { load } from './config/load-fixture.ts'
import { startProvider, type Claims, type FaultyProviderOptions } from './fixtures/provider.ts'
import { recordedLog } from './fixtures/recorded-log.ts'
import { createMetrics } from '../src/telemetry/prometheus.ts'
import { createPlatform } from '../src/runtime.ts'

const signedWith = (algorithms: unknown) => (document: Claims) => ({
  ...document,
  id_token_signing_alg_values_supported: algorithms,
})

const rows: [name: string, provider: FaultyProviderOptions, config: string, ok: boolean, line: RegExp][] = [
  ['that is as it should be', {}, '', true, /^provider: reached http/],
  [
    'that signs with HS256 only (C12)',
    { discovery: signedWith(['HS256']) },
    '',
    false,
    /signs ID tokens with HS256, we accept RS256/,
  ],
  [
    'that signs with nothing (C12)',
    { discovery: signedWith([]) },
    '',
    false,
    /signs ID tokens with nothing, we accept RS256/,
  ],
  [
    'that calls itself otherwise',
    { discovery: (d) => ({ ...d, issuer: 'https://x.example' }) },
    '',
    false,
    /calls itself https:\/\/x\.example, .*as the provider writes it/,
  ],
  [
    'that offers another client authentication',
    { discovery: (d) => ({ ...d, token_endpoint_auth_methods_supported: ['client_secret_post', 7] }) },
    '',
    true,
    /warning: clientAuthMethod is client_secret_basic, the provider offers client_secret_post: /,
  ],
  [
    'whose document lies elsewhere (C14)',
    {},
    'discoveryURL: ISSUER/nowhere',
    false,
    /discovery: http:\S+\/nowhere: status 404: .*discoveryURL must be the address of the document/,
  ],
  [
    'whose document is said to lie where it lies (C14)',
    {},
    'discoveryURL: ISSUER/.well-known/openid-configuration',
    true,
    /reached/,
  ],
]
for (const [name, options, text, ok, line] of rows) {
  test(`check --connect finds a provider ${name}: ${ok ? 'fine' : 'not fine, and says why'}`, async (t) => {
    const op = await startProvider(options)
    t.after(() => op.close())
    const { config } = load({ text: text.replace('ISSUER', op.issuer), env: { PROVIDER_URL: op.issuer } })
    const report = await checkConnections(config, {
      ...createPlatform(),
      logger: recordedLog(),
      metrics: createMetrics({ processMetrics: false }),
    })
    assert.equal(report.ok, ok)
    assert.match(report.lines.join('\n'), line)
  })
}
