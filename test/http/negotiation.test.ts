import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNavigation } from '../../src/http/negotiation.ts'

const html = 'text/html,application/xhtml+xml,*/*;q=0.8'
const table: [name: string, method: string, headers: Record<string, string>, expected: boolean][] = [
  ['a browser that goes somewhere', 'GET', { 'sec-fetch-mode': 'navigate', accept: html }, true],
  ['a form that is sent', 'POST', { 'sec-fetch-mode': 'navigate' }, true],
  ['fetch()', 'GET', { 'sec-fetch-mode': 'cors', accept: html }, false],
  ['a picture', 'GET', { 'sec-fetch-mode': 'no-cors', accept: 'image/*' }, false],
  ['a WebSocket', 'GET', { 'sec-fetch-mode': 'websocket' }, false],
  ['two modes at once', 'GET', { 'sec-fetch-mode': 'navigate, cors', accept: html }, false],
  ['an old browser', 'GET', { accept: html }, true],
  ['an old browser’s HEAD', 'HEAD', { accept: html }, true],
  ['an old browser’s form', 'POST', { accept: html }, false],
  ['XMLHttpRequest of an old library', 'GET', { accept: html, 'x-requested-with': 'XMLHttpRequest' }, false],
  ['the same in another case', 'GET', { accept: html, 'x-requested-with': 'xmlhttprequest' }, false],
  ['the same twice', 'GET', { accept: html, 'x-requested-with': 'XMLHttpRequest, XMLHttpRequest' }, false],
  ['a script in a WebView', 'GET', { accept: html, 'x-requested-with': 'com.example.app, XMLHttpRequest' }, false],
  ['an Android WebView (C10)', 'GET', { accept: html, 'x-requested-with': 'com.example.app' }, true],
  ['an app with a telling name (C10)', 'GET', { accept: html, 'x-requested-with': 'org.xmlhttprequest.browser' }, true],
  ['an empty X-Requested-With (C10)', 'GET', { accept: html, 'x-requested-with': '' }, true],
  ['a picture in a WebView', 'GET', { accept: 'image/webp,*/*', 'x-requested-with': 'com.example.app' }, false],
  ['a form in a WebView', 'POST', { accept: html, 'x-requested-with': 'com.example.app' }, false],
  [
    'fetch() in a newer WebView',
    'GET',
    { 'sec-fetch-mode': 'cors', accept: html, 'x-requested-with': 'com.example.app' },
    false,
  ],
  ['curl', 'GET', { accept: '*/*' }, false],
  ['a program that says nothing', 'GET', {}, false],
]
for (const [name, method, headers, expected] of table) {
  test(`${name} is ${expected ? '' : 'not '}a navigation`, () => assert.equal(isNavigation(method, headers), expected))
}
