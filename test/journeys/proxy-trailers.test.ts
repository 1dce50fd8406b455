// Fields behind a chunked body (RFC 9110 section 6.5): no rule about headers sees them, and applications that merge them into the
// headers would take a person from there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { listenOn } from '../../deploy/demo/listen.ts'
import { programPath } from '../fixtures/programs.ts'
import { proxies } from '../fixtures/proxies.ts'
import { sendRaw } from '../fixtures/raw-http.ts'
import { startSite, type Site } from '../fixtures/site.ts'

/** HAProxy drops them since 3.2. */
function cannotDrop(name: (typeof proxies)[number]['name']): string | false {
  const program = name === 'HAProxy' ? programPath('haproxy') : undefined
  if (program === undefined) return false
  const [, major = '', minor = ''] = /version (\d+)\.(\d+)/.exec(execFileSync(program, ['-v']).toString()) ?? []
  return Number(major) * 100 + Number(minor) < 302 && 'this HAProxy passes them on (docs/security.md)'
}

for (const { name, startProxy, skip } of proxies) {
  describe(`trailer fields through ${name}`, { skip: skip || cannotDrop(name) }, () => {
    const trailers: string[][] = []
    const application = createServer((request, response) => {
      request.resume().on('end', () => {
        trailers.push(request.rawTrailers)
        response.end()
      })
    })
    let site: Site
    before(async () => {
      const port = await listenOn(application)
      const stop = async () => void application.close()
      site = await startSite({ startProxy, application: { port, stop } })
    })
    after(() => site?.stop())

    for (const announced of ['', 'Trailer: X-Auth-Request-User\r\nTE: trailers\r\n']) {
      test(`do not reach the application${announced && ', announced ones neither'}`, async () => {
        const head = `POST /public HTTP/1.1\r\nHost: localhost:${site.port}\r\nConnection: close\r\n${announced}`
        const body = `Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Auth-Request-User: mallory\r\n\r\n`
        const { status } = await sendRaw(site.port, head + body)
        assert.equal(status, 200)
        assert.deepEqual(trailers.splice(0), [[]])
      })
    }
  })
}
