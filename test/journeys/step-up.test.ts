// Rules that ask for more than a login (`require.acr`, `require.maxAge`), by real proxies with the files in deploy/, and a real provider.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { choosePerson, createHttpClient } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const script = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }

for (const { name, startProxy, skip } of proxies) {
  describe(`step-up behind ${name}`, { skip }, () => {
    let site: Site
    before(async () => {
      const rules = [
        { path: '/admin', require: { acr: ['second-factor'] } },
        { path: '/pay', require: { maxAge: '5m' } },
        { path: '/vault', require: { acr: ['retina'] } },
      ]
      site = await startSite({ startProxy, config: { rules } })
    })
    after(() => site?.stop())

    async function alice() {
      const client = createHttpClient()
      const landed = await choosePerson(client, await client.navigate(`${site.url}/`), 'alice')
      assert.equal(landed.status, 200)
      return client
    }

    test('a person is asked once more, and comes back to where they wanted to be', async () => {
      const client = await alice()
      const asked = await client.navigate(`${site.url}/admin?a=1`)
      assert.match(asked.url, /\/interaction\//)
      const back = await choosePerson(client, asked, 'alice')
      assert.deepEqual([back.status, back.url], [200, `${site.url}/admin?a=1`])
      assert.equal((await client.navigate(`${site.url}/pay`)).status, 200)
    })

    test('a script is told what its person has to do (RFC 9470)', async () => {
      const client = await alice()
      const told = await client.send(`${site.url}/admin/api`, { headers: script })
      assert.equal(told.status, 401)
      const challenges = told.rawHeaders.filter(
        (_, at) => told.rawHeaders[at - 1]?.toLowerCase() === 'www-authenticate',
      )
      assert.equal(challenges.length, 1)
      assert.match(challenges[0] ?? '', /error="insufficient_user_authentication".*acr_values="second-factor"/)
      const body = told.json() as Record<string, string>
      assert.deepEqual([body['error'], body['acr_values']], ['insufficient_user_authentication', 'second-factor'])
      const anonymous = await createHttpClient().send(`${site.url}/admin/api`, { headers: script })
      assert.equal(anonymous.headers['www-authenticate'], 'Bearer realm="foregate"')
      assert.deepEqual(
        [anonymous.status, (anonymous.json() as Record<string, string>)['error']],
        [401, 'login_required'],
      )
    })

    test('what the provider does not have ends at a page, not in a circle', async () => {
      const client = await alice()
      const refused = await client.navigate(`${site.url}/vault`)
      assert.deepEqual([refused.status, /id_token_acr/.test(refused.body)], [403, true])
      assert.equal((await client.navigate(`${site.url}/`)).status, 200)
    })
  })
}
