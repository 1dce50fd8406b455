// What the provider tells of by itself comes through the proxy files in deploy/ as it was sent: a body, a header, a frame.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createHttpClient } from '../fixtures/http-client.ts'
import { startTestApp } from '../fixtures/in-process-app.ts'
import { providerSignals } from '../fixtures/provider-signals.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startProvider } from '../fixtures/provider.ts'
import { recordedSelections } from '../fixtures/selected-sessions.ts'
import { freePort } from '../../deploy/demo/listen.ts'

const provider = await startProvider()
after(() => provider.close())
const selected = recordedSelections()
const sharedSignals = {
  transmitter: provider.issuer,
  discoveryURL: undefined,
  jwksURI: undefined,
  audiences: ['stream'],
  bearerToken: 'agreed-on',
  endOnCredentialChange: [],
}

for (const { name, startProxy, skip } of proxies) {
  describe(`behind ${name}`, { skip }, () => {
    const site = async (t: { after(task: () => Promise<void>): unknown }) => {
      const app = await startTestApp(t, {
        selected,
        sharedProvider: provider,
        amend: providerSignals({ backChannelLogout: true, frontChannelLogout: true, sharedSignals }),
      })
      const proxy = await startProxy({ foregatePort: app.port, applicationPort: await freePort() })
      t.after(() => proxy.stop())
      selected.ended.length = 0
      return proxy.url
    }

    test('a logout token, a security event and a frame arrive', async (t) => {
      const url = await site(t)
      const client = createHttpClient()
      const logout = await client.send(`${url}/oauth2/backchannel_logout`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ logout_token: await provider.logoutToken({ sid: 's-1' }) }).toString(),
      })
      assert.deepEqual([logout.status, logout.headers['cache-control']], [200, 'no-store'])
      const subject = { format: 'iss_sub', iss: provider.issuer, sub: 'alice' }
      const event = await client.send(`${url}/oauth2/security_events`, {
        method: 'POST',
        headers: { 'content-type': 'application/secevent+jwt', authorization: 'Bearer agreed-on' },
        body: await provider.securityEvent({ 'caep/event-type/session-revoked': {} }, { sub_id: subject }),
      })
      assert.equal(event.status, 202)
      const query = new URLSearchParams({ iss: provider.issuer, sid: 's-2' }).toString()
      const frame = await client.send(`${url}/oauth2/frontchannel_logout?${query}`)
      assert.equal(frame.status, 200)
      assert.match(String(frame.headers['content-security-policy']), new RegExp(`frame-ancestors ${provider.issuer};`))
      assert.equal(frame.headers['x-frame-options'], undefined)
      assert.deepEqual(
        selected.ended.map((selection) => (selection.by === 'sid' ? selection.sid : selection.subject)),
        ['s-1', 'alice', 's-2'],
      )
    })
  })
}
