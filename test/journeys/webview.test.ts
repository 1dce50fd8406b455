// A person inside an Android app: its WebView writes the app's name into X-Requested-With, on navigations too.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { caddyMissing, startCaddy } from '../fixtures/caddy.ts'
import { haproxyMissing, startHaproxy } from '../fixtures/haproxy.ts'
import { createHttpClient } from '../fixtures/http-client.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const navigation = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

for (const { name, startProxy, skip } of [
  { name: 'nginx', startProxy: startNginx, skip: nginxMissing },
  { name: 'HAProxy', startProxy: startHaproxy, skip: haproxyMissing },
  { name: 'Caddy', startProxy: startCaddy, skip: caddyMissing },
]) {
  describe(`behind ${name}`, { skip }, () => {
    let site: Site
    before(async () => {
      site = await startSite({ startProxy })
    })
    after(() => site?.stop())

    for (const [who, requestedWith, status] of [
      ['a WebView is sent to the login', 'com.example.app', 302],
      ['a script is told that there is one', 'XMLHttpRequest', 401],
      ['a script of a library in small letters, too', 'xmlhttprequest', 401],
    ] as const) {
      test(`${who} (C10)`, async () => {
        const headers = { ...navigation, 'x-requested-with': requestedWith }
        assert.equal((await createHttpClient().send(`${site.url}/page`, { headers })).status, status)
      })
    }
  })
}
