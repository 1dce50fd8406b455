// Two applications behind one proxy, of which one is public. Whichever way a request names a host, the application that the proxy
// chooses is the one that Foregate was asked about.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startCredulousApplication, type CredulousApplication } from '../fixtures/credulous-application.ts'
import { createHttpClient } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { sendRaw } from '../fixtures/raw-http.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const secret = 'admin.example.com'
const open = 'public.example.com'

/** What an operator does to serve a second application, by each proxy's own means. */
const twoApplications: Record<(typeof proxies)[number]['name'], (file: string, openPort: number) => string> = {
  nginx(file, openPort) {
    const server = file.slice(file.indexOf('\nserver {'))
    const second = server.replace('http://foregate_application', `http://127.0.0.1:${openPort}`)
    return (
      file.replace('server_name _;', `server_name ${secret};`) +
      second.replace('server_name _;', `server_name ${open};`)
    )
  },
  HAProxy(file, openPort) {
    const second = `\nbackend open\n    server open 127.0.0.1:${openPort}\n`
    const choice = `use_backend open if { req.hdr(host),field(1,:) -m str -i ${open} }\n    default_backend application`
    return file.replace('default_backend application', choice) + second
  },
  Caddy(file, openPort) {
    const at = file.search(/^:\d+ \{/m)
    const site = file.slice(at)
    const port = /^:(\d+)/.exec(site)?.[1]
    const second = site.replace(/reverse_proxy 127\.0\.0\.1:\d+\n/, `reverse_proxy 127.0.0.1:${openPort}\n`)
    const named = (text: string, host: string) => text.replace(/^:\d+/, `http://${host}:${port}`)
    return file.slice(0, at) + named(site, secret) + named(second, open)
  },
}

/** Request line (`GET ... HTTP/1.1`) and header lines. PORT is the proxy's. */
const attacks: readonly (readonly [target: string, ...lines: string[]])[] = [
  [`http://${secret}/secret`, `Host: ${open}`],
  [`http://${secret}:PORT/secret`, `Host: ${open}:PORT`],
  [`http://${open}/secret`, `Host: ${secret}`],
  [`http://${open}:PORT/secret`, `Host: ${secret}:PORT`],
  [`HTTP://${secret}/secret`, `Host: ${open}`],
  [`http://${secret.toUpperCase()}/secret`, `Host: ${open}`],
  [`https://${secret}/secret`, `Host: ${open}`],
  [`http://${secret}./secret`, `Host: ${open}`],
  [`http://${secret}`, `Host: ${open}`],
  [`http://${secret}?x=/secret`, `Host: ${open}`],
  [`http://${secret}#/secret`, `Host: ${open}`],
  [`http://${open}@${secret}/secret`, `Host: ${open}`],
  [`http://${secret}@${open}/secret`, `Host: ${secret}`],
  [`http://${open}:80@${secret}/secret`, `Host: ${open}`],
  [`http:///secret`, `Host: ${secret}`],
  [`http://${secret}/secret`],
  [`http://${secret}/secret`, 'Host:'],
  ['/secret', 'Host:'],
  ['/secret', `X-Forwarded-Host: ${open}`],
  [`http:${secret}/secret`, `Host: ${open}`],
  [`//${secret}/secret`, `Host: ${open}`],
  [`//${open}/secret`, `Host: ${secret}`],
  [`ws://${secret}/secret`, `Host: ${open}`],
  [`/secret`, `Host: ${secret}`, `Host: ${open}`],
  [`/secret`, `Host: ${open}`, `Host: ${secret}`],
  [`/secret`, `Host: ${secret},${open}`],
  [`/secret`, `Host: ${open}, ${secret}`],
  [`/secret`, `Host: ${secret}:80, ${open}:80`],
  [`/secret`, `Host: ${secret} ${open}`],
  [`/secret`, `Host: ${open}/@${secret}`],
  [`/secret`, `Host: ${secret}/@${open}`],
  [`/secret`, `Host: ${secret}:80@${open}`],
  [`/secret`, `Host: ${open}@${secret}`],
  [`/secret`, `Host: ${secret}|${open}`],
  [`/secret`, `Host: ${secret}`, `X-Forwarded-Host: ${open}`],
  [`/secret`, `Host: ${secret}`, `X-Forwarded-Server: ${open}`],
  [`/secret`, `Host: ${secret}`, `X-Host: ${open}`],
  [`/secret`, `Host: ${secret}`, `X-Original-URL: http://${open}/`],
  [`/secret`, `Host: ${secret}`, `Forwarded: host=${open}`],
  [`/secret`, `Host: ${secret}`, `X_Forwarded_Host: ${open}`],
  [`/secret`, `Host: ${secret}.`],
  [`/secret`, `Host: ${secret}:443`],
  [`/secret`, `Host: ${secret}:99999`],
  [`/secret`, `Host: ${secret.toUpperCase()}`],
]

for (const { name, startProxy, skip } of proxies) {
  describe(`two applications behind ${name}`, { skip }, () => {
    let secretApplication: CredulousApplication
    let openApplication: CredulousApplication
    let site: Site
    before(async () => {
      secretApplication = await startCredulousApplication('secret')
      openApplication = await startCredulousApplication('open')
      site = await startSite({
        startProxy,
        application: secretApplication,
        edit: (file) => twoApplications[name](file, openApplication.port),
        config: { rules: [{ host: open, policy: 'public' }] },
      })
    })
    after(async () => {
      await site?.stop()
      await openApplication?.stop()
    })

    const ask = async (target: string, lines: readonly string[], version = '1.1') => {
      const request = [
        `GET ${target} HTTP/${version}`,
        ...lines,
        'Accept: application/json',
        'Connection: close',
        '',
        '',
      ]
      const reply = await sendRaw(site.port, request.join('\r\n').replaceAll('PORT', String(site.port)))
      reply.socket.destroy()
      return reply
    }

    test('each host is served by its own, the public one to everybody and the other to nobody', async () => {
      for (const host of [open, `${open}:PORT`, open.toUpperCase()]) {
        const reply = await ask('/secret', [`Host: ${host}`])
        const served = reply.status === 200 ? (JSON.parse(reply.body) as { application: string }).application : 'nobody'
        // An upper-case name is ambiguous, so that it is never public; it is not the other's either.
        assert.ok(served === 'open' || (served === 'nobody' && host !== open), `${host}: ${reply.status} ${served}`)
      }
      assert.equal((await ask('/secret', [`Host: ${secret}`])).status, 401)
    })

    for (const [target, ...lines] of attacks) {
      test(`GET ${target} with ${lines.join(' | ') || 'no Host'} reaches the public one or none (B2)`, async () => {
        const before = secretApplication.understood.length
        await ask(target, lines)
        await ask(target, lines, '1.0')
        assert.deepEqual(secretApplication.understood.slice(before), [])
      })
    }

    test('the application hears of one host only, the one that was asked about (B2)', async () => {
      const before = openApplication.understood.length
      await ask(`http://${open}:PORT/a?b`, [`Host: ${open}:PORT`])
      const [heard] = openApplication.understood.slice(before)
      assert.ok(heard !== undefined, 'the same host twice is no contradiction')
      assert.equal(heard.url, '/a?b')
      assert.equal(heard.host, `${open}:${site.port}`)
      assert.deepEqual(heard.headers['x-forwarded-host'], [`${open}:${site.port}`])
    })

    test('the way to the login keeps the port that the browser sees (B2)', async () => {
      const client = createHttpClient()
      const headers = { host: `${secret}:${site.port}`, 'sec-fetch-mode': 'navigate', accept: 'text/html' }
      const reply = await client.send(`http://localhost:${site.port}/a?b=c`, { headers })
      assert.equal(reply.status, 302)
      const location = new URL(reply.headers.location ?? '')
      const back = location.searchParams.get('rd') ?? location.searchParams.get('redirect_uri') ?? ''
      assert.equal(new URL(back).host, `${secret}:${site.port}`)
    })
  })
}
