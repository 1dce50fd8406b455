import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startForegateProcess } from '../../../deploy/demo/foregate.ts'
import { testEncryptionKey } from '../../fixtures/in-process-app.ts'
import { startProvider } from '../../fixtures/provider.ts'
import { openUnreadPipe } from '../../fixtures/unread-pipe.ts'

test('a log collector that has stopped reading delays no answer, and keeps nobody from stopping the service', async (t) => {
  const provider = await startProvider()
  t.after(() => provider.close())
  const collector = openUnreadPipe(t)
  const foregate = await startForegateProcess({
    config: {
      providerURL: provider.issuer,
      clientID: provider.clientID,
      clientSecret: provider.clientSecret,
      sessionEncryptionKey: testEncryptionKey,
      forceHTTPS: false,
      drainDelay: 0,
      logLevel: 'debug',
      rules: [{ path: '/denied', policy: 'deny' }],
    },
    stdout: collector.fd,
  })
  t.after(() => foregate.stop())
  // 4 KB a line: more than the pipe (64 KiB) and what waits for it (4 MiB) hold.
  const headers = {
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': `/denied/${'x'.repeat(4_000)}`,
  }
  const statuses = new Set<number>()
  const askRepeatedly = async () => {
    for (let count = 0; count < 200; count++) {
      const answer = await fetch(`${foregate.url}/auth`, { headers })
      await answer.arrayBuffer()
      statuses.add(answer.status)
    }
  }
  await Promise.all(Array.from({ length: 8 }, askRepeatedly))
  assert.deepEqual([...statuses], [403])
  assert.match(collector.read(), /"event":"access_denied"/)

  // Ends it by force after some time; then that is how it ended.
  void foregate.stop()
  assert.equal(await foregate.exited, 0)
})
