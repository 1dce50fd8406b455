// An Express application behind the proxies of deploy/: its router takes `/Admin/users` for `/admin/users`, and nobody gets there
// who may not.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import { closeServer, listenOn } from '../../deploy/demo/listen.ts'
import { caddyMissing, startCaddy } from '../fixtures/caddy.ts'
import { choosePerson, createHttpClient, type HttpClient } from '../fixtures/http-client.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startSite, type Site } from '../fixtures/site.ts'

async function startExpress() {
  const router = express()
    .get('/admin/users', (_request, response) => void response.end('the secret'))
    .get('/admin/login', (_request, response) => void response.end('the form'))
    .get('/admin/:page', (_request, response) => void response.end('the secret'))
  const server = createServer((request, response) =>
    router(request, response, () => void response.writeHead(404).end('nothing here')),
  )
  const port = await listenOn(server)
  return {
    port,
    stop: () => closeServer(server),
  }
}

const spellings = [
  '/admin/users',
  '/Admin/users',
  '/ADMIN/USERS/',
  '/admin/USERS?x=/admin/login',
  '/aDMIN/anything',
  '/%61dmin/users',
  '/Admin/login/../users',
  '/admin/Login%2f..%2fusers',
  '/admin//users',
  '//admin/users',
  '/admin/users;x',
  '/admin/users%20',
  '/Admin/users.',
  '/Admin/login%00/../users',
]

for (const { name, startProxy, skip } of [
  { name: 'nginx', startProxy: startNginx, skip: nginxMissing },
  { name: 'Caddy', startProxy: startCaddy, skip: caddyMissing },
]) {
  describe(`an Express application behind ${name}`, { skip }, () => {
    let site: Site
    let alice: HttpClient
    let bob: HttpClient
    const signedIn = async (person: string) => {
      const client = createHttpClient()
      await choosePerson(client, await client.navigate(`${site.url}/`), person)
      return client
    }
    before(async () => {
      site = await startSite({
        startProxy,
        application: await startExpress(),
        config: {
          rules: [
            { path: '/admin/login', policy: 'public' },
            { path: '/admin', require: { groups: ['admins'] } },
          ],
        },
      })
      alice = await signedIn('alice')
      bob = await signedIn('bob')
    })
    after(() => site?.stop())

    for (const path of spellings) {
      test(`${path} is reached neither by nobody nor by whoever is in none of its groups (B4)`, async () => {
        for (const client of [createHttpClient(), bob]) {
          const { body } = await client.send(site.url + path, { rawPath: path, headers: { accept: '*/*' } })
          assert.doesNotMatch(body, /the secret/)
        }
      })
    }

    test('an admin reaches it in any letter case (B4)', async () => {
      for (const path of ['/admin/users', '/Admin/Users', '/ADMIN/anything']) {
        assert.equal((await alice.send(site.url + path, { headers: { accept: '*/*' } })).body, 'the secret', path)
      }
    })

    test('the public page is public as it is written, and in no other spelling (B4)', async () => {
      const ask = async (path: string) =>
        (await createHttpClient().send(site.url + path, { headers: { accept: '*/*' } })).status
      assert.equal(await ask('/admin/login'), 200)
      assert.equal(await ask('/Admin/login'), 401)
    })
  })
}
