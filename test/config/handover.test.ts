import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileHandoverHosts } from '../../src/config/handover.ts'
import { load, problemsOf } from './load-fixture.ts'

const forHosts = (handoverHosts: readonly string[], cookieDomain?: string) =>
  compileHandoverHosts({ handoverHosts, publicURL: 'https://login.example.com', cookieDomain })

test('a handover host is one that a pattern covers, on every port and with the dot of a full name', () => {
  const isHandoverHost = forHosts(['app.other.com', '*.third.org', 'one.port:8443'])
  for (const host of ['app.other.com', 'app.other.com:8443', 'app.other.com.', 'wiki.third.org', 'one.port:8443'])
    assert.equal(isHandoverHost(host), true, host)
  for (const host of ['other.com', 'third.org', 'xthird.org', 'app.other.com.evil.example', 'one.port', '[::1]', ''])
    assert.equal(isHandoverHost(host), false, host)
})

test('what a cookie of the login host reaches is none, whatever a pattern covers', () => {
  const isHandoverHost = forHosts(['*.example.com', '*.co.uk'], 'team.example.com')
  for (const host of ['login.example.com', 'login.example.com:8443', 'team.example.com', 'a.team.example.com'])
    assert.equal(isHandoverHost(host), false, host)
  assert.equal(isHandoverHost('app.example.com'), true)
})

test('handoverHosts need publicURL, and cookies that come along to pathPrefix', () => {
  const hosts = 'session: { handoverHosts: [app.other.com] }'
  assert.match(problemsOf({ text: hosts }).join('\n'), /session\.handoverHosts.*needs publicURL/)
  const narrow = `${hosts}\npublicURL: https://login.example.com\ncookiePath: /app\ncallbackURL: /app/callback\nlogoutURL: /app/logout`
  assert.match(problemsOf({ text: narrow }).join('\n'), /session\.handoverHosts.*needs a cookiePath/)
  const { config, warnings } = load({ text: `${hosts}\npublicURL: https://login.example.com` })
  assert.deepEqual(config.session.handoverHosts, ['app.other.com'])
  assert.deepEqual(warnings, [])
})

test('a rule for a host beside publicURL needs no cookieDomain where the session is handed over to it', () => {
  const rules = 'publicURL: https://login.example.com\nrules: [{ host: app.other.com }, { host: "*.third.org" }]'
  assert.match(problemsOf({ text: rules }).join('\n'), /is another host than rules/)
  const handed = `${rules}\nsession: { handoverHosts: [app.other.com, "*.third.org"] }`
  assert.deepEqual(load({ text: handed }).config.session.handoverHosts, ['app.other.com', '*.third.org'])
})
