// A logout token counts once on all replicas together, by one Redis; and while that is away by each one's own memory, or later.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'
import { providerSignals } from '../../fixtures/provider-signals.ts'
import { startProvider, type FaultyProvider } from '../../fixtures/provider.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { recordedSelections } from '../../fixtures/selected-sessions.ts'

const selected = recordedSelections()

for (const replay of ['local', 'closed']) {
  describe(`three replicas, outage.replay: ${replay}`, { skip: redisMissing }, () => {
    let provider: FaultyProvider
    let redis: RedisServer
    let replicas: readonly TestApp[]
    const closing: (() => Promise<void>)[] = []

    before(async () => {
      provider = await startProvider()
      redis = await startRedis()
      const config = {
        redis: { enabled: true, address: `${redis.address.host}:${redis.address.port}`, cacheMode: 'hybrid' },
        outage: { replay },
      }
      const replica = () =>
        startTestApp(
          { after: (task) => closing.push(task) },
          { selected, sharedProvider: provider, config, amend: providerSignals({ backChannelLogout: true }) },
        )
      replicas = await Promise.all([replica(), replica(), replica()])
    })
    after(async () => {
      for (const close of closing) await close()
      await redis.close()
      await provider.close()
    })

    const tell = async (app: TestApp | undefined, token: string) =>
      (
        await createHttpClient().send(`${app?.url}/oauth2/backchannel_logout`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({ logout_token: token }).toString(),
        })
      ).status

    test('of ten tellings to all of them at once one is the first, and the others are refused', async () => {
      const token = await provider.logoutToken({ sid: 's-1' })
      const statuses = await Promise.all(Array.from({ length: 10 }, (_, index) => tell(replicas[index % 3], token)))
      assert.deepEqual(
        statuses.toSorted((one, other) => one - other),
        [200, ...Array.from({ length: 9 }, () => 400)],
      )
    })

    test('told to one, it is refused by the others', async () => {
      const token = await provider.logoutToken({ sid: 's-1' })
      assert.deepEqual(
        [await tell(replicas[0], token), await tell(replicas[1], token), await tell(replicas[2], token)],
        [200, 400, 400],
      )
    })

    test('while Redis is away its sessions end all the same', async () => {
      await redis.kill()
      const token = await provider.logoutToken({ sid: 's-outage' })
      selected.ended.length = 0
      const first = await tell(replicas[0], token)
      assert.equal(selected.ended.length, 1)
      const again = await tell(replicas[0], token)
      assert.deepEqual([first, again], replay === 'local' ? [200, 400] : [503, 503])
      await redis.restart()
      if (replay === 'local') {
        await eventually(async () => (await replicas[0]?.metric('foregate_journal_entries')) === 0)
      } else {
        await eventually(async () => (await tell(replicas[0], token)) === 200)
      }
      await eventually(async () => (await tell(replicas[1], await provider.logoutToken({ sid: 's-2' }))) === 200)
      assert.equal(await tell(replicas[1], token), 400, 'what one of them took in the outage is known to all')
    })
  })
}
