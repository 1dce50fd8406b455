// `foregate sessions …` against the admin port: what it prints, and how it ends.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { runSessionsCommand } from '../../src/admin/sessions-command.ts'
import type { ClientCertificate } from '../../src/admin/client.ts'
import { parseArguments } from '../../src/cli.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { freePort } from '../../deploy/demo/listen.ts'
import { idOf, look, type World } from '../session/world.ts'
import { issuer, startAdmin, type AdminPort } from './fixture.ts'

const claimsOf = (sub: string, email = `${sub}@example.com`) => ({ iss: issuer, sub, sid: `sid-${sub}`, email })
const login = (world: World, sub: string, email?: string) => world.login({ claims: claimsOf(sub, email) })

function run(line: string, { config, world }: Pick<AdminPort, 'config' | 'world'>, certificate?: ClientCertificate) {
  const command = parseArguments(['sessions', ...line.split(' ')])
  assert.equal(command.kind, 'sessions', JSON.stringify(command))
  if (command.kind !== 'sessions') throw new Error('no command')
  return runSessionsCommand(command, { config, certificate, clock: world.time.clock })
}

test('list is a table of those that are meant', async (t) => {
  const admin = await startAdmin(t)
  const alice = await login(admin.world, 'alice')
  await login(admin.world, 'bob')
  const { out, err, code } = await run('list --user alice@example.com', admin)
  assert.deepEqual([err, code], ['', 0])
  assert.match(out, new RegExp(`^ID +USER +SINCE .*\n${idOf(alice)}  alice@example\\.com  now .*\n$`))
})

test('list says so where there is nobody, where there are more, and where several people go by one name', async (t) => {
  const admin = await startAdmin(t)
  assert.deepEqual(await run('list', admin), { out: '', err: 'foregate: no session is listed\n', code: 0 })
  await login(admin.world, 'alice')
  await login(admin.world, 'mallory', 'alice@example.com')
  assert.match((await run('list --limit 1', admin)).err, /there are more; --limit 10/)
  assert.match((await run('list --user alice@example.com', admin)).err, /2 subjects go by this name/)
})

test('list goes through the pages until it has as many as were asked for', async (t) => {
  const admin = await startAdmin(t)
  for (let at = 0; at < 520; at++) await login(admin.world, `p${at}`)
  const told = JSON.parse((await run('list --limit 510 --json', admin)).out)
  assert.equal(new Set(told.sessions.map(({ id }: { id: string }) => id)).size, 510)
  assert.notEqual(told.next, null)
  assert.equal(JSON.parse((await run('list --limit 1000 --json', admin)).out).next, null)
})

test('show and revoke are of one session, and what is gone is exit code 1', async (t) => {
  const admin = await startAdmin(t)
  const ticket = await login(admin.world, 'alice')
  assert.match(
    (await run(`show ${idOf(ticket)}`, admin)).out,
    /^id +\S{22}\nuser +alice@example\.com\nsubject +alice\n/,
  )
  assert.deepEqual(await run(`revoke ${idOf(ticket)}`, admin), { out: '1 listed session ended\n', err: '', code: 0 })
  assert.equal(await look(admin.world.sessions, ticket), 'revoked')
  for (const verb of ['show', 'revoke']) {
    const gone = await run(`${verb} ${idOf(ticket)}`, admin)
    assert.deepEqual([gone.out, gone.code], ['', 1])
    assert.match(gone.err, /^foregate: no session of this id is listed.*\(not_found\)\n$/)
  }
})

for (const [line, said] of [
  ['revoke --user ALICE@example.com', '2 listed sessions ended\n'],
  ['revoke --subject alice', '2 listed sessions ended\n'],
  ['revoke --sid sid-alice', '2 listed sessions ended\n'],
  ['revoke --all --yes', 'every session that began until now has ended\n'],
] as const) {
  test(`${line} ends them, and says what was ended`, async (t) => {
    const admin = await startAdmin(t)
    const tickets = [await login(admin.world, 'alice'), await login(admin.world, 'alice')]
    assert.deepEqual(await run(line, admin), { out: said, err: '', code: 0 })
    for (const ticket of tickets) assert.equal(await look(admin.world.sessions, ticket), 'revoked')
  })
}

test('what only one replica knows is exit code 1, with words on standard error, and complete: false in JSON', async (t) => {
  const admin = await startAdmin(t)
  await login(admin.world, 'alice')
  admin.world.cache.goAway()
  const { out, err, code } = await run('revoke --user alice@example.com', admin)
  assert.equal(code, 1)
  assert.match(err, /not complete.*Run it again/)
  assert.match(out, /ended\n$/)
  const asJson = await run('revoke --user alice@example.com --json', admin)
  assert.deepEqual([JSON.parse(asJson.out).complete, asJson.err, asJson.code], [false, '', 1])
  const listed = await run('list', admin)
  assert.deepEqual([listed.out, listed.code], ['', 1])
  assert.match(listed.err, /Redis does not answer.*\(store_unavailable\)/)
})

test('a name that would act on the terminal is shown harmlessly, in each form', async (t) => {
  const admin = await startAdmin(t)
  const ticket = await login(admin.world, 'eve', '\u001b[2Jroot\u009b0m\u202e')
  for (const line of ['list', 'list --json', `show ${idOf(ticket)}`, `show ${idOf(ticket)} --json`]) {
    const { out } = await run(line, admin)
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    assert.doesNotMatch(out, /[\u001b\u009b\u202e]/)
    assert.match(out, /root/)
  }
})

test('nobody there, or a wrong token, is exit code 1 and named', async (t) => {
  const admin = await startAdmin(t)
  const port = await freePort()
  const elsewhere = await run('list', { ...admin, config: { ...admin.config, listen: { host: '0.0.0.0', port } } })
  assert.deepEqual([elsewhere.out, elsewhere.code], ['', 1])
  assert.match(elsewhere.err, new RegExp(`^foregate: admin port 127\\.0\\.0\\.1:${port}: nobody listens there`))
  const wrong = await run('list', { ...admin, config: { ...admin.config, token: 'wrong' } })
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /\(unauthorized\)/)
  assert.doesNotMatch(wrong.err, /wrong/)
})

const authority = createAuthority()
after(() => authority.close())
const [server, other, ann] = [
  authority.issue('server', { names: ['DNS:elsewhere'] }),
  authority.issue('other'),
  authority.issue('ann'),
]

test('over TLS it shows the token to the very certificate that the configuration names, and to no other', async (t) => {
  const tls = { cert: server.cert, key: server.key, clientCA: undefined }
  const admin = await startAdmin(t, { config: { tls } })
  assert.equal((await run('list', admin)).code, 0)
  const impostor = await startAdmin(t, { config: { tls: { ...tls, cert: other.cert, key: other.key } } })
  const { err, code } = await run('list', { ...impostor, config: { ...impostor.config, tls } })
  assert.equal(code, 1)
  assert.match(err, /the certificate shown there is not the one in admin\.tls\.certFile/)
  assert.deepEqual(impostor.world.log.events(), ['admin_listening'])
})

test('it shows a client certificate where one is asked for', async (t) => {
  const tls = { cert: server.cert, key: server.key, clientCA: authority.ca }
  const admin = await startAdmin(t, { config: { tls } })
  assert.equal((await run('list', admin, { cert: ann.cert, key: ann.key })).code, 0)
  const { err, code } = await run('list', admin)
  assert.equal(code, 1)
  assert.match(err, /--cert and --key must be one that admin\.tls\.clientCAFile vouches for/)
})
