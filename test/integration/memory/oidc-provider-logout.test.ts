// A real provider (oidc-provider) that tells of a logout by itself: no token of this test's own making.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { freePort } from '../../../deploy/demo/listen.ts'
import { choosePerson, createHttpClient } from '../../fixtures/http-client.ts'
import { startTestApp } from '../../fixtures/in-process-app.ts'
import { providerConfig, startOidcProvider } from '../../fixtures/oidc-provider.ts'
import { providerSignals } from '../../fixtures/provider-signals.ts'
import { recordedSelections } from '../../fixtures/selected-sessions.ts'

const port = await freePort()
const origin = `http://127.0.0.1:${port}`
const provider = await startOidcProvider({
  applicationOrigins: [origin],
  backChannelLogoutURI: `${origin}/oauth2/backchannel_logout`,
})
after(() => provider.stop())

test('who logs out at oidc-provider is logged out here by its call: that very session, of that very person', async (t) => {
  const selected = recordedSelections()
  const app = await startTestApp(t, {
    selected,
    amend: providerSignals({ backChannelLogout: true }),
    config: { ...providerConfig(provider), listen: `127.0.0.1:${port}` },
  })
  const client = createHttpClient()
  const landed = await choosePerson(
    client,
    await client.navigate(`${origin}/oauth2/start?rd=/oauth2/userinfo`),
    'alice',
  )
  assert.equal(landed.status, 404, 'logged in, and back at a front page that nobody serves')

  const page = await client.navigate(`${provider.issuer}/session/end`)
  const [, action = ''] = /<form[^>]* action="([^"]+)"/.exec(page.body) ?? []
  const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(page.body) ?? []
  await client.navigate(action, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ xsrf, logout: 'yes' }).toString(),
  })
  const [selection, ...others] = selected.ended
  assert.ok(selection?.by === 'sid' && selection.sid.length > 10 && others.length === 0)
  assert.deepEqual([selection.issuer, selection.subject], [provider.issuer, 'alice'])
  assert.ok(Math.abs(selection.issuedAt - Date.now() / 1_000) < 60)
  assert.equal(await app.metric('foregate_signals_total{kind="logout_token",outcome="done",reason=""}'), 1)
})
