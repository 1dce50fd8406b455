// What is wrong with a client certificate shows before anybody connects.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createAuthority, type Authority, type Certificate } from '../fixtures/certificates.ts'
import { missingProgram } from '../fixtures/programs.ts'
import { load, problemsOf } from './load-fixture.ts'

describe('a client certificate', { skip: missingProgram('openssl') }, () => {
  let authority: Authority
  let files: Record<string, string>
  before(() => {
    authority = createAuthority()
    const [ours, other]: Certificate[] = ['ours', 'other'].map((name) => authority.issue(name))
    files = { '/cert': ours?.cert ?? '', '/key': ours?.key ?? '', '/other': other?.key ?? '', '/text': 'nothing' }
  })
  after(() => authority.close())

  const rows: [name: string, text: string, problem: RegExp][] = [
    ['without its key', 'clientCertPath: /cert', /clientKeyPath: is missing; .*both clientCertPath and clientKeyPath/],
    ['that is a key alone', 'clientKeyPath: /key', /clientCertPath: is missing/],
    [
      'that authenticates and is not given',
      'clientAuthMethod: tls_client_auth',
      /clientCertPath.* is missing; tls_client_auth needs it/,
    ],
    [
      'that is not there',
      'clientCertPath: /gone\nclientKeyPath: /key',
      /clientCertPath: its file cannot be read \(ENOENT\)/,
    ],
    ['that is none', 'clientCertPath: /text\nclientKeyPath: /key', /clientCertPath: holds no readable certificate/],
    [
      'with the key of another one',
      'clientCertPath: /cert\nclientKeyPath: /other',
      /clientKeyPath: is not the key of the certificate/,
    ],
    [
      'with a key that is none',
      'clientCertPath: /cert\nclientKeyPath: /text',
      /clientKeyPath: holds no readable private key/,
    ],
    [
      'for a provider without TLS',
      'clientAuthMethod: self_signed_tls_client_auth\nclientCertPath: /cert\nclientKeyPath: /key\nproviderURL: http://127.0.0.1:1',
      /clientAuthMethod: needs https/,
    ],
  ]
  for (const [name, text, problem] of rows) {
    test(`${name} is refused`, () => {
      const problems = problemsOf({ text, files, env: { CLIENT_SECRET: undefined } }).filter(
        (line) => !/clientSecret/.test(line),
      )
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0] ?? '', problem)
    })
  }

  test('that authenticates needs no secret, and is read again', () => {
    const text = 'clientAuthMethod: tls_client_auth\nclientCertPath: /cert\nclientKeyPath: /key'
    const { config, warnings } = load({ text, files, env: { CLIENT_SECRET: undefined } })
    assert.deepEqual(warnings, [])
    assert.equal(config.provider.clientCertificate?.first.cert, files['/cert'])
    files['/cert'] = 'new'
    assert.equal(config.provider.clientCertificate?.read().cert, 'new')
  })
})
