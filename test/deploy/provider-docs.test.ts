// docs/providers/: every configuration is loaded, every page names what a registration needs (E6), and no option is made up.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { loadConfig } from '../../src/load-config.ts'
import { allOptions } from '../../src/config/schema.ts'

const folder = new URL('../../docs/providers/', import.meta.url)
const pages = readdirSync(folder).filter((name) => name.endsWith('.md'))
const env = {
  CLIENT_SECRET: 'bK3-very-secret-client-credential',
  SESSION_ENCRYPTION_KEY: 'qW7xT2nLr9Zk4VbY8mPc1HdJ6sGf3AeU',
}
const options = new Set(allOptions.map(({ path }) => path.join('.')))

test('there is a page for each provider that people ask for', () => {
  assert.deepEqual(pages.toSorted(), [
    'README.md',
    'auth0.md',
    'authentik.md',
    'cognito.md',
    'dex.md',
    'entra-id.md',
    'gitlab.md',
    'google.md',
    'keycloak.md',
    'okta.md',
    'zitadel.md',
  ])
})

for (const page of pages) {
  describe(`docs/providers/${page}`, () => {
    const text = readFileSync(new URL(page, folder), 'utf8')
    const blocks = [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block]) => block ?? '')

    test('has a configuration', () => assert.ok(blocks.length > 0))

    for (const [number, block] of blocks.entries()) {
      test(`its configuration ${number + 1} is fine as it stands, without a warning`, () => {
        const { warnings } = loadConfig({
          file: page,
          text: block,
          // Where the client is registered by itself there is no secret to give.
          env: block.includes('dynamicClientRegistration') ? { ...env, CLIENT_SECRET: undefined } : env,
          readFile: () => assert.fail('no files'),
        })
        assert.deepEqual(warnings, [])
      })
    }

    test('names the redirect URI, the post-logout redirect URI and what becomes of refresh tokens (E6)', () => {
      assert.match(text, /https:\/\/app\.example\.com\/oauth2\/callback/)
      assert.match(text, /post[- ]logout redirect URI/i)
      assert.match(text, /refresh token/i)
    })

    test('speaks of no option that does not exist', () => {
      const named = [...text.matchAll(/`([a-z][a-zA-Z]+(?:\.[a-zA-Z]+)?)(?:: [^`]*)?`/g)].map(([, name]) => name ?? '')
      const ours = named.filter((name) =>
        /^(outage|redis|pages|bearer)\.|URL$|^allow|Claim|^claims|^trusted/.test(name),
      )
      for (const name of ours) assert.ok(options.has(name) || name.startsWith('staticClients'), name)
    })
  })
}
