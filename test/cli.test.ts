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
  for (const part of ['--config FILE', 'check', '--connect', '--version', '--help', 'Exit codes: 0 fine, 2 bad']) {
    assert.ok(help.kind === 'help' && help.text.includes(part), part)
  }
})

test('no command line makes the parser throw', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('--', '-', '--config', '--no-config', '-c', '-cvh', '--=', '--__proto__', 'check'),
  )
  fc.assert(fc.property(fc.array(word), (argv) => void parseArguments(argv)))
})
