// Tokens of machines through real proxies, by their files in deploy/ and the lines that docs/bearer.md adds for RFC 9728.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { freePort } from '../../deploy/demo/listen.ts'
import type { RunningProxy } from '../../deploy/demo/proxies.ts'
import { startDemoUpstream, type DemoUpstream } from '../../deploy/demo/upstream.ts'
import { startForegate, type StartedForegate } from '../fixtures/foregate.ts'
import { createHttpClient } from '../fixtures/http-client.ts'
import { accessToken, apiAudience, proof, proofKey } from '../fixtures/machine-tokens.ts'
import { startProvider, type Claims, type FaultyProvider } from '../fixtures/provider.ts'
import { proxies } from '../fixtures/proxies.ts'

const guide = readFileSync(new URL('../../docs/bearer.md', import.meta.url), 'utf8')
const block = (language: string) => {
  const [, found] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(guide) ?? []
  assert.ok(found !== undefined, language)
  return found
}
const wellKnown = '/.well-known/oauth-protected-resource'

/** Puts the lines of the guide where it says. */
const edits: Readonly<Record<string, (file: string, foregatePort: number) => string>> = {
  nginx: (file) => file.replace(/^ {4}location \/oauth2\/ \{$/m, (line) => block('nginx') + line),
  HAProxy: (file) => file.replace(/^.*set-var\(txn\.foregate_page\).*\n/m, (line) => line + block('haproxy')),
  Caddy: (file, port) =>
    file.replace(/^\t\tforward_auth /m, (line) => block('caddy').replace('127.0.0.1:4180', `127.0.0.1:${port}`) + line),
}

for (const { name, startProxy, skip } of proxies) {
  describe(`tokens through ${name}`, { skip }, () => {
    let provider: FaultyProvider
    let foregate: StartedForegate
    let application: DemoUpstream
    let proxy: RunningProxy
    let origin: string

    before(async () => {
      const port = await freePort()
      origin = `http://localhost:${port}`
      ;[provider, application] = [await startProvider(), await startDemoUpstream()]
      foregate = await startForegate({
        config: {
          providerURL: provider.issuer,
          clientID: provider.clientID,
          clientSecret: provider.clientSecret,
          bearer: { enabled: true, audiences: [apiAudience, `${origin}/mcp`] },
          rules: [{ path: '/api/admin', require: { scopes: ['admin'] } }],
        },
      })
      proxy = await startProxy({
        port,
        foregatePort: foregate.port,
        applicationPort: application.port,
        edit: (file) => {
          const edited = edits[name]?.(file, foregate.port) ?? file
          assert.notEqual(edited, file, 'the guide says where the lines go')
          return edited
        },
      })
    })
    after(async () => {
      await proxy?.stop()
      await foregate?.stop()
      await application?.stop()
      await provider?.close()
    })

    const ask = (path: string, headers: Readonly<Record<string, string>> = {}) =>
      createHttpClient().send(origin + path, { headers: { accept: '*/*', ...headers } })
    const token = (claims: Claims = {}) => accessToken(provider, Date.now, claims)

    test('a good token gets to the application, with who it is', async () => {
      const value = await token()
      const { status, json } = await ask('/api/whoami', {
        authorization: `Bearer ${value}`,
        'x-auth-request-user': 'x',
      })
      assert.equal(status, 200)
      const { user, headers } = json() as { user: string; headers: Record<string, string> }
      assert.deepEqual([user, headers['authorization']], ['robot', `Bearer ${value}`])
    })

    test('a bad token is told so, whatever its sender accepts', async () => {
      const value = await token({ aud: 'another' })
      for (const accept of ['*/*', 'text/html']) {
        const { status, headers } = await ask('/api/whoami', { authorization: `Bearer ${value}`, accept })
        assert.equal(status, 401)
        assert.match(headers['www-authenticate'] ?? '', /^Bearer realm="foregate", error="invalid_token"/)
        assert.equal(headers.location, undefined)
      }
    })

    test('a token that lacks a scope is told which', async () => {
      const { status, headers } = await ask('/api/admin', { authorization: `Bearer ${await token()}` })
      assert.equal(status, 403)
      assert.match(headers['www-authenticate'] ?? '', /error="insufficient_scope", scope="admin"/)
    })

    test('a bound token gets in with its proof, once', async () => {
      const key = await proofKey()
      const value = await token({ cnf: { jkt: key.thumbprint } })
      const dpop = await proof({ key, token: value, url: `${origin}/api/whoami`, clock: Date.now })
      const send = () => ask('/api/whoami?x=1', { authorization: `DPoP ${value}`, dpop })
      assert.equal((await send()).status, 200)
      const again = await send()
      assert.equal(again.status, 401)
      assert.match(again.headers['www-authenticate'] ?? '', /^DPoP realm="foregate", error="invalid_dpop_proof"/)
    })

    test('whoever brings nothing finds where the host describes itself', async () => {
      const { status, headers } = await ask('/mcp')
      assert.equal(status, 401)
      const address = /resource_metadata="([^"]+)"/.exec(headers['www-authenticate'] ?? '')?.[1]
      assert.equal(address, `${origin}${wellKnown}/mcp`)
      const described = await createHttpClient().send(address)
      assert.equal(described.status, 200, described.body)
      assert.equal((described.json() as Claims)['resource'], `${origin}/mcp`)
      assert.equal((await ask(wellKnown)).status, 200)
    })

    test('the way to it leads nowhere else', async () => {
      for (const path of [
        'x',
        '/../../api/whoami',
        '/..%2f..%2fauth/traefik',
        '/%2e%2e/%2e%2e/healthz',
        '/../healthz',
      ]) {
        const { status, body } = await createHttpClient().send(origin, { rawPath: wellKnown + path })
        assert.notEqual(status, 200, `${path}: ${body}`)
      }
    })
  })
}
