// Step-up at a real provider (oidc-provider), which knows max_age and acr_values.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { freePort } from '../../../deploy/demo/listen.ts'
import type { DemoProvider } from '../../../deploy/demo/provider.ts'
import { startDemoUpstream } from '../../../deploy/demo/upstream.ts'
import { choosePerson, createHttpClient } from '../../fixtures/http-client.ts'
import { startTestApp } from '../../fixtures/in-process-app.ts'
import { providerConfig, startOidcProvider } from '../../fixtures/oidc-provider.ts'

describe('step-up at a real provider', () => {
  let provider: DemoProvider
  let upstream: Awaited<ReturnType<typeof startDemoUpstream>>
  let url: string
  const cleanUp: (() => Promise<void>)[] = []

  before(async () => {
    const port = await freePort()
    url = `http://localhost:${port}`
    provider = await startOidcProvider({ applicationOrigins: [url] })
    upstream = await startDemoUpstream()
    const rules = [
      { path: '/admin', require: { acr: ['second-factor'] } },
      { path: '/pay', require: { maxAge: '5m' } },
      { path: '/vault', require: { acr: ['retina'] } },
    ]
    const upstreams = [{ url: `http://127.0.0.1:${upstream.port}`, rules }]
    const config = { ...providerConfig(provider), listen: `127.0.0.1:${port}`, upstreams }
    await startTestApp({ after: (task) => void cleanUp.push(task) }, { config })
  })
  after(async () => {
    for (const task of cleanUp) await task()
    await upstream?.stop()
    await provider?.stop()
  })

  /** Somebody who has logged in by password. */
  async function alice() {
    const client = createHttpClient()
    const home = await choosePerson(client, await client.navigate(`${url}/`), 'alice')
    assert.equal(home.status, 200)
    return client
  }

  test('acr: the person is asked once more, and then let in, here and where less is asked', async () => {
    const client = await alice()
    const asked = await client.navigate(`${url}/admin?a=1`)
    assert.match(asked.url, /\/interaction\//)
    const back = await choosePerson(client, asked, 'alice')
    assert.deepEqual([back.status, back.url], [200, `${url}/admin?a=1`])
    assert.equal((await client.navigate(`${url}/`)).status, 200)
  })

  test('maxAge: who has just logged in goes there and back without being asked', async () => {
    const client = await alice()
    const back = await client.navigate(`${url}/pay`)
    assert.deepEqual([back.status, back.url], [200, `${url}/pay`])
  })

  test('an acr that the provider does not have ends at a page, not in a circle', async () => {
    const client = await alice()
    const refused = await client.navigate(`${url}/vault`)
    assert.deepEqual([refused.status, /id_token_acr/.test(refused.body)], [403, true])
    assert.equal((await client.navigate(`${url}/`)).status, 200)
  })
})
