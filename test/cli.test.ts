import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { parseArguments } from '../src/cli.ts'
import type { Command } from '../src/cli.ts'

const commands: [line: string, command: Command][] = [
  ['', { kind: 'serve', file: undefined }],
  ['--config a.yaml', { kind: 'serve', file: 'a.yaml' }],
  ['--config=a.yaml', { kind: 'serve', file: 'a.yaml' }],
  ['-c a.yaml', { kind: 'serve', file: 'a.yaml' }],
  ['check', { kind: 'check', file: undefined, connect: false }],
  ['check --config a.yaml', { kind: 'check', file: 'a.yaml', connect: false }],
  ['--config a.yaml check --connect', { kind: 'check', file: 'a.yaml', connect: true }],
  ['--version', { kind: 'version' }],
  ['check --version', { kind: 'version' }],
  [
    'migrate oauth2-proxy a.yaml -',
    { kind: 'migrate', source: 'oauth2-proxy', files: ['a.yaml', '-'], report: 'text', keepSecrets: false },
  ],
  [
    'migrate --report json --keep-secrets ingress-nginx i.yaml',
    { kind: 'migrate', source: 'ingress-nginx', files: ['i.yaml'], report: 'json', keepSecrets: true },
  ],
]
for (const [line, command] of commands) {
  test(`foregate ${line} is understood`, () =>
    assert.deepEqual(parseArguments(line.split(' ').filter(Boolean)), command))
}

const mistakes: [line: string, message: string][] = [
  ['--confg a.yaml', 'unknown option --confg; did you mean --config?'],
  ['--frobnicate', 'unknown option --frobnicate; see foregate --help'],
  ['-x', 'unknown option -x; see foregate --help'],
  ['chekc', 'unknown command "chekc"; did you mean check?'],
  ['serve', 'unknown command "serve"; see foregate --help'],
  ['check a.yaml', 'unexpected argument "a.yaml"; see foregate --help'],
  ['--config', '--config needs a file name; see foregate --help'],
  ['--config=', '--config needs a file name; see foregate --help'],
  ['check --config --connect', '--config needs a file name; see foregate --help'],
  ['--config a --config b', '--config is given twice; there is one configuration file; see foregate --help'],
  ['--connect', '--connect belongs to the command check; see foregate --help'],
  ['migrat oauth2-proxy a', 'unknown command "migrat"; did you mean migrate?'],
  [
    'migrate',
    'migrate needs a source (traefikoidc, oauth2-proxy, traefik-oidc-auth, traefik-forward-auth, ingress-nginx) and a file; see foregate --help',
  ],
  [
    'migrate oauth2_proxy a',
    'unknown source "oauth2_proxy" (there are traefikoidc, oauth2-proxy, traefik-oidc-auth, traefik-forward-auth, ingress-nginx); did you mean oauth2-proxy?',
  ],
  ['migrate oauth2-proxy', 'migrate needs a file; - is standard input; see foregate --help'],
  ['migrate oauth2-proxy - -', 'standard input (-) is given twice; see foregate --help'],
  ['migrate oauth2-proxy a --report xml', '--report is text or json; see foregate --help'],
  ['migrate oauth2-proxy a --report', '--report needs text or json; see foregate --help'],
  ['migrate oauth2-proxy a --config b', '--config does not belong to the command migrate; see foregate --help'],
  ['check --keep-secrets', '--report and --keep-secrets belong to the command migrate; see foregate --help'],
  ['check --connect=yes', '--connect takes no value; see foregate --help'],
]
for (const [line, message] of mistakes) {
  test(`foregate ${line} is a usage error with a hint`, () => {
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'usage-error', message })
  })
}

test('--help names every option and the exit codes', () => {
  const help = parseArguments(['--help'])
  assert.equal(help.kind, 'help')
  for (const part of [
    '--config FILE',
    'check',
    '--connect',
    '--version',
    '--help',
    'migrate SOURCE FILE',
    '--report',
    '--keep-secrets',
    'Exit codes: 0 fine, 2 bad',
  ]) {
    assert.ok(help.kind === 'help' && help.text.includes(part), part)
  }
})

test('no command line makes the parser throw', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '--',
      '-',
      'migrate',
      'oauth2-proxy',
      '--report',
      '--config',
      '--no-config',
      '-c',
      '-cvh',
      '--=',
      '--__proto__',
      'check',
    ),
  )
  fc.assert(fc.property(fc.array(word), (argv) => void parseArguments(argv)))
})
