// The proxies themselves read the files in deploy/, with nothing substituted.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { identityHeaders } from '../fixtures/identity-headers.ts'
import { missingProgram, programPath } from '../fixtures/programs.ts'

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url))
const run = promisify(execFile)

test(
  'nginx accepts deploy/nginx/foregate.conf as a part of its http block',
  { skip: missingProgram('nginx') },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'foregate-nginx-'))
    try {
      const main = `pid ${directory}/pid; error_log stderr; events {} http { access_log off; include ${deploy}nginx/foregate.conf; }`
      await writeFile(join(directory, 'nginx.conf'), main)
      const program = programPath('nginx') ?? 'nginx'
      const { stderr } = await run(program, [
        '-t',
        '-e',
        'stderr',
        '-p',
        directory,
        '-c',
        join(directory, 'nginx.conf'),
      ])
      assert.match(stderr, /test is successful/)
      assert.doesNotMatch(stderr, /\[(warn|emerg)\]/)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
)

test('HAProxy accepts deploy/haproxy/haproxy.cfg without a warning', { skip: missingProgram('haproxy') }, async () => {
  const program = programPath('haproxy') ?? 'haproxy'
  const { stdout, stderr } = await run(program, ['-c', '-f', 'haproxy.cfg'], { cwd: `${deploy}haproxy` })
  assert.match(stdout + stderr, /Configuration file is valid/)
  assert.doesNotMatch(stdout + stderr, /warning/i)
})

test(
  'Caddy accepts deploy/caddy/Caddyfile, and finds it well formatted',
  { skip: missingProgram('caddy') },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'foregate-caddy-'))
    try {
      const env = { ...process.env, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory }
      const args = ['validate', '--config', `${deploy}caddy/Caddyfile`, '--adapter', 'caddyfile']
      const { stdout, stderr } = await run(programPath('caddy') ?? 'caddy', args, { env })
      assert.match(stdout + stderr, /Valid configuration/)
      assert.doesNotMatch(stdout + stderr, /not formatted/)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
)

for (const file of ['nginx/foregate.conf', 'haproxy/haproxy.cfg', 'caddy/Caddyfile', 'traefik/foregate.yaml']) {
  test(`deploy/${file} names what to substitute, and hands on every identity header`, async () => {
    const text = await readFile(deploy + file, 'utf8')
    const header = text.slice(0, text.search(/^[^#\n]/m))
    assert.match(header, /substitute/)
    for (const address of ['127.0.0.1:4180', '127.0.0.1:8080']) {
      assert.ok(header.includes(address), `${address} in the header`)
      assert.ok(text.slice(header.length).includes(address), `${address} in the file`)
    }
    for (const name of identityHeaders) assert.match(text, new RegExp(name, 'i'))
  })
}

test('nginx asks about the original URL, and passes on no other account of it', async () => {
  const text = await readFile(`${deploy}nginx/foregate.conf`, 'utf8')
  const question = /location = \/_foregate\/auth \{([^}]*)\}/.exec(text)?.[1] ?? ''
  assert.match(question, /proxy_set_header X-Original-URL \$scheme:\/\/\$foregate_host\$request_uri;/)
  assert.match(question, /proxy_set_header X-Original-Method \$request_method;/)
  assert.match(question, /proxy_pass_request_body off;/)
  assert.match(question, /internal;/)
  const blanked = [
    'X-Original-URI',
    'X-Auth-Request-Redirect',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Forwarded-Uri',
    'X-Forwarded-Method',
  ]
  for (const name of [...blanked, 'Forwarded', 'Content-Length']) {
    assert.match(question, new RegExp(`proxy_set_header ${name} "";`), `${name} is blanked`)
  }
})
