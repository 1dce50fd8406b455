// Options for what a provider tells of by itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { Checks } from '../../src/config/checks.ts'
import { valueAt } from '../../src/config/environment.ts'
import { createFindings, pathText } from '../../src/config/problems.ts'
import { settingsSchema } from '../../src/config/schema.ts'
import { pathsConfig } from '../../src/config/server.ts'
import { signalsConfig } from '../../src/config/signals.ts'
import { problemsOf } from './load-fixture.ts'

function read(text: string) {
  const given: unknown = parse(text) ?? {}
  const settings = settingsSchema.parse(given)
  const { refuse, warn, problems, warnings } = createFindings(pathText)
  const checks: Checks = {
    settings,
    isGiven: (path) => valueAt(given, path.map(String)) !== undefined,
    isFromEnvironment: () => false,
    refuse,
    warn,
    readFile: () => {
      throw new Error('no files here')
    },
  }
  return { paths: pathsConfig(checks), signals: signalsConfig(checks), problems, warnings }
}

test('nobody is listened to unless it is switched on', () => {
  const { signals, paths, problems, warnings } = read('')
  assert.deepEqual(signals, { backChannelLogout: false, frontChannelLogout: false, sharedSignals: undefined })
  assert.deepEqual(
    [paths.backChannelLogout, paths.frontChannelLogout, paths.securityEvents],
    ['/oauth2/backchannel_logout', '/oauth2/frontchannel_logout', '/oauth2/security_events'],
  )
  assert.deepEqual([problems, warnings], [[], []])
})

test('the paths lie below pathPrefix, unless they are given', () => {
  const below = read('pathPrefix: /sso\nenableBackchannelLogout: true').paths
  assert.deepEqual([below.backChannelLogout, below.securityEvents], ['/sso/backchannel_logout', '/sso/security_events'])
  const moved = read('enableBackchannelLogout: true\nbackchannelLogoutURL: /hooks/logout').paths
  assert.equal(moved.backChannelLogout, '/hooks/logout')
})

test('a path without its switch has no effect, is told, and stays the application’s', () => {
  for (const [name, word] of [
    ['backchannel', 'Backchannel'],
    ['frontchannel', 'Frontchannel'],
  ]) {
    const { paths, warnings } = read(`${name}LogoutURL: /app`)
    assert.deepEqual(warnings, [`${name}LogoutURL: ${name}LogoutURL: has no effect without enable${word}Logout: true`])
    assert.equal(Object.values(paths).includes('/app'), false)
  }
})

const takenPaths = [
  'enableBackchannelLogout: true\nbackchannelLogoutURL: /oauth2/callback',
  'enableBackchannelLogout: true\nbackchannelLogoutURL: /oauth2/frontchannel_logout',
  'enableBackchannelLogout: true\nbackchannelLogoutURL: /oauth2/security_events',
  'enableFrontchannelLogout: true\nfrontchannelLogoutURL: /oauth2/logout',
  'enableFrontchannelLogout: true\nfrontchannelLogoutURL: /oauth2/sign_in',
  'enableFrontchannelLogout: true\nfrontchannelLogoutURL: /',
  'enableFrontchannelLogout: true\nfrontchannelLogoutURL: /auth/logout',
  'enableBackchannelLogout: true\nenableFrontchannelLogout: true\nbackchannelLogoutURL: /x\nfrontchannelLogoutURL: /x',
  'logoutURL: /oauth2/backchannel_logout',
]
for (const text of takenPaths) {
  test(`a path of another route is refused: ${text.replaceAll('\n', ', ')}`, () => {
    const { problems } = read(text)
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', /is taken by another route|is the same as/)
  })
}

const transmitter = 'sharedSignals:\n  transmitter: https://id.example.com\n'

test('a transmitter and the audience of its stream are enough', () => {
  const { signals, problems, warnings } = read(`${transmitter}  audiences: foregate`)
  assert.deepEqual(signals.sharedSignals, {
    transmitter: 'https://id.example.com',
    discoveryURL: undefined,
    jwksURI: undefined,
    audiences: ['foregate'],
    bearerToken: undefined,
    endOnCredentialChange: ['revoke', 'update', 'delete'],
  })
  assert.deepEqual([problems, warnings], [[], []])
})

const wrong: readonly (readonly [name: string, text: string, problem: RegExp])[] = [
  ['no audience', transmitter, /sharedSignals\.audiences: is missing/],
  ['plain http', 'sharedSignals: { transmitter: "http://id.example.com", audiences: [a] }', /must be https/],
  [
    'keys on plain http',
    `${transmitter}  audiences: [a]\n  jwksURI: http://id.example.com/k`,
    /jwksURI: must be https/,
  ],
  [
    'the document for an issuer',
    'sharedSignals: { transmitter: "https://a.example/.well-known/ssf-configuration", audiences: [a] }',
    /must be the issuer alone/,
  ],
  ['a query', 'sharedSignals: { transmitter: "https://a.example/?x", audiences: [a] }', /must not have a query/],
  [
    'a placeholder for a secret',
    `${transmitter}  audiences: [a]\n  bearerToken: your-client-secret`,
    /sharedSignals\.bearerToken: /,
  ],
  ['a secret with a space', `${transmitter}  audiences: [a]\n  bearerToken: two words of it`, /header cannot hold/],
]
for (const [name, text, problem] of wrong) {
  test(`shared signals with ${name} are refused`, () => {
    const { problems } = read(text)
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test('shared signals without a transmitter have no effect, which is told', () => {
  assert.match(
    read('sharedSignals: { audiences: [a] }').warnings[0] ?? '',
    /has no effect without sharedSignals\.transmitter/,
  )
})

test('two ways to the keys: the nearer one counts, which is told', () => {
  const { warnings } = read(
    `${transmitter}  audiences: [a]\n  jwksURI: https://id.example.com/k\n  discoveryURL: https://id.example.com/d`,
  )
  assert.match(warnings[0] ?? '', /discoveryURL: has no effect beside/)
})

test('a change of a credential that nobody knows is refused with those there are', () => {
  const [problem = ''] = problemsOf({ text: 'sharedSignals: { endOnCredentialChange: [updated] }' })
  assert.match(
    problem,
    /endOnCredentialChange\[0\]: must be one of create, revoke, update, delete; did you mean update\?/,
  )
})
