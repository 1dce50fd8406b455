import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionsAct } from '../../src/admin/command-line.ts'
import { parseArguments } from '../../src/cli.ts'

const id = 'A1-_A1-_A1-_A1-_A1-_AA'
const parse = (line: string) => parseArguments(line.split(' ').filter(Boolean))

const acts: [line: string, act: SessionsAct][] = [
  ['sessions list', { do: 'list', whom: {}, limit: 100 }],
  ['sessions list --user ann@example.com --limit 5', { do: 'list', whom: { user: 'ann@example.com' }, limit: 5 }],
  [
    'sessions list --subject s --issuer https://i',
    { do: 'list', whom: { subject: 's', issuer: 'https://i' }, limit: 100 },
  ],
  ['sessions list --sid=x', { do: 'list', whom: { sid: 'x' }, limit: 100 }],
  ['sessions list --all', { do: 'list', whom: {}, limit: 100 }],
  [`sessions show ${id}`, { do: 'show', id }],
  [`sessions revoke ${id}`, { do: 'revoke', id }],
  ['sessions revoke --user a', { do: 'revoke-many', whom: { user: 'a' } }],
  [
    'sessions revoke --subject a --issuer https://i',
    { do: 'revoke-many', whom: { subject: 'a', issuer: 'https://i' } },
  ],
  ['sessions revoke --sid a', { do: 'revoke-many', whom: { sid: 'a' } }],
  ['sessions revoke --older-than 30d', { do: 'revoke-many', whom: { olderThan: '30d' } }],
  ['sessions revoke --all --yes', { do: 'revoke-many', whom: { all: true } }],
  ['--config a.yaml sessions list', { do: 'list', whom: {}, limit: 100 }],
]
for (const [line, act] of acts) {
  test(`foregate ${line} is understood`, () => {
    const command = parse(line)
    assert.equal(command.kind, 'sessions')
    assert.deepEqual(command.kind === 'sessions' && command.act, act)
  })
}

test('form, file and certificate are understood', () => {
  assert.deepEqual(parse('sessions list --json -c a.yaml --cert c.pem --key k.pem'), {
    kind: 'sessions',
    file: 'a.yaml',
    act: { do: 'list', whom: {}, limit: 100 },
    json: true,
    clientCertificate: { certFile: 'c.pem', keyFile: 'k.pem' },
  })
})

const mistakes: [line: string, message: RegExp][] = [
  ['sessions', /^sessions needs to be told what to do: list, show or revoke/],
  ['sessions lsit', /^unknown command sessions "lsit"; did you mean list\?/],
  ['sessions list --usr a', /^unknown option --usr; did you mean --user\?/],
  ['sessions list --user', /^--user needs a value/],
  ['sessions list --user --json', /^--user needs a value/],
  ['sessions list --user a --user b', /^--user is given twice/],
  ['sessions list --user a --sid b', /^--user and --sid are given together/],
  ['sessions list extra', /^unexpected argument "extra"/],
  ['sessions list --older-than 1d', /^--older-than does not belong to sessions list/],
  ['sessions list --limit 0', /^--limit must be a whole number/],
  ['sessions list --limit x', /^--limit must be a whole number/],
  ['sessions list --issuer a', /^--issuer belongs to --subject or --sid/],
  ['sessions list --json=yes', /^--json takes no value/],
  ['sessions show', /^sessions show needs the id/],
  ['sessions show --user a', /^sessions show needs the id/],
  ['sessions show x', /^"x" is no session's id/],
  [`sessions show ${id} ${id}`, /^unexpected argument/],
  ['sessions revoke', /^sessions revoke needs an id, or one of/],
  [`sessions revoke ${id} --user a`, /^a session's id and --user are given together/],
  ['sessions revoke --all', /^revoke --all ends the session of everybody; if that is meant, add --yes/],
  ['sessions revoke --user a --yes', /^--yes belongs to --all/],
  ['sessions revoke --user a --all --yes', /^--user and --all are given together/],
  ['sessions revoke --older-than soon', /^--older-than must be a duration/],
  ['sessions revoke --older-than 0', /^--older-than must be a duration/],
  ['sessions revoke --user a --limit 5', /^--limit belongs to sessions list/],
  ['sessions list --cert a', /^--cert and --key belong together/],
  ['sessions list --connect', /^--connect belongs to the command check/],
  ['check --user a', /^--user belongs to the command sessions/],
  ['--all', /^--all belongs to the command sessions/],
]
for (const [line, message] of mistakes) {
  test(`foregate ${line} is a usage error`, () => {
    const command = parse(line)
    assert.equal(command.kind, 'usage-error')
    assert.match(command.kind === 'usage-error' ? command.message : '', message)
  })
}

test('sessions --help tells its own words and exit codes', () => {
  const help = parse('sessions --help')
  assert.ok(help.kind === 'help')
  for (const part of ['revoke --all --yes', '--older-than', '--json', 'Exit codes: 0 done, 2 bad'])
    assert.ok(help.text.includes(part), part)
  for (const line of help.text.split('\n')) assert.ok(line.length <= 120, line)
})
