// What a provider tells of ends the sessions that it means, and no others: from its call to the next request.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { browserHeaders, scriptHeaders, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'
import { providerSignals } from '../../fixtures/provider-signals.ts'
import { startProvider } from '../../fixtures/provider.ts'

const transmitter = await startProvider()
after(() => transmitter.close())
const sharedSignals = {
  transmitter: transmitter.issuer,
  discoveryURL: undefined,
  jwksURI: undefined,
  audiences: ['stream'],
  bearerToken: undefined,
  endOnCredentialChange: [],
}
const app = await startTestApp(
  { after },
  { amend: providerSignals({ backChannelLogout: true, frontChannelLogout: true, sharedSignals }) },
)
const { provider } = app

async function loggedIn(sub: string, sid: string): Promise<string> {
  provider.person = { sub, sid, email: `${sub}@example.com` }
  return app.login()
}
/** Somebody at the provider, who has not come back yet. Coming back says whether they are logged in. */
async function begun(sub: string, sid: string): Promise<() => Promise<boolean>> {
  provider.person = { sub, sid, email: `${sub}@example.com` }
  const client = createHttpClient()
  const { headers } = await app.begin(client)
  const atProvider = await client.send(headers.location ?? '', { headers: browserHeaders })
  return async () => {
    await client.send(atProvider.headers.location ?? '', { headers: browserHeaders })
    return client.cookies.get(sessionCookie) !== undefined
  }
}
const isIn = async (cookie: string) => (await app.ask('traefik', { cookie, headers: scriptHeaders })).status === 200

async function tell(claims: Record<string, unknown>): Promise<void> {
  // A login is younger than a logout only in another second.
  app.advance(1_000)
  const reply = await createHttpClient().send(`${app.url}/oauth2/backchannel_logout`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ logout_token: await provider.logoutToken(claims) }).toString(),
  })
  assert.equal(reply.status, 200)
  app.advance(1_000)
}

test('a back-channel logout ends one session by sid, all of a person by sub, and of sid and sub only what both mean', async () => {
  const [one, two, other] = [
    await loggedIn('alice', 's-1'),
    await loggedIn('alice', 's-2'),
    await loggedIn('bob', 's-3'),
  ]
  const all = async () => [await isIn(one), await isIn(two), await isIn(other)]
  await tell({ sub: 'bob', sid: 's-1' })
  assert.deepEqual(await all(), [true, true, true], 'sid and sub of different people log nobody out')
  await tell({ sid: 's-1' })
  assert.deepEqual(await all(), [false, true, true])
  await tell({ sub: 'alice' })
  assert.deepEqual(await all(), [false, false, true])
  assert.equal(await isIn(await loggedIn('alice', 's-4')), true, 'who logs in again is in')
})

test('a frame ends the session that it names, and remembers none that it does not know', async () => {
  const frame = async (sid: string) => {
    const query = new URLSearchParams({ iss: provider.issuer, sid }).toString()
    return (await createHttpClient().send(`${app.url}/oauth2/frontchannel_logout?${query}`)).status
  }
  const cookie = await loggedIn('carol', 's-frame')
  assert.equal(await frame('s-frame'), 200)
  assert.equal(await isIn(cookie), false)
  const complete = await begun('carol', 's-under-way-too')
  assert.equal(await frame('s-under-way-too'), 200)
  assert.equal(await complete(), true, 'a stranger’s frame shuts nobody out')
})

test('a login under way ends by a logout token that came before it was complete', async () => {
  const complete = await begun('dave', 's-under-way')
  const iat = Math.floor(app.clock() / 1_000)
  await tell({ sid: 's-under-way' })
  provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, iat } })
  assert.equal(await complete(), false)
  provider.idToken = (draft) => draft
})

test('an event of the transmitter ends the person’s sessions', async () => {
  const cookie = await loggedIn('erin', 's-5')
  const iat = Math.floor(app.clock() / 1_000) + 1
  const subject = { format: 'iss_sub', iss: provider.issuer, sub: 'erin' }
  const reply = await createHttpClient().send(`${app.url}/oauth2/security_events`, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt' },
    body: await transmitter.securityEvent({ 'caep/event-type/session-revoked': {} }, { sub_id: subject, iat }),
  })
  assert.equal(reply.status, 202)
  assert.equal(await isIn(cookie), false)
})
