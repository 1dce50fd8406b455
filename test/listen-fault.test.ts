import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannotListen } from '../src/listen-fault.ts'

const rows: [code: string, words: RegExp][] = [
  ['EADDRINUSE', /^metrics\.listen: cannot listen on \[::1\]:80 \(EADDRINUSE\): the port is in use/],
  ['EACCES', /ports below 1024/],
  ['EADDRNOTAVAIL', /no such address; 0\.0\.0\.0 stands for all/],
  ['EWHATEVER', /\(EWHATEVER\): see the cause/],
]
for (const [code, words] of rows) {
  test(`a port that cannot be opened because of ${code} is told by its option, its address and what would be right`, () => {
    const cause = Object.assign(new Error('bind'), { code })
    const error = cannotListen('metrics.listen', { host: '::1', port: 80 }, cause)
    assert.match(error.message, words)
    assert.equal(error.cause, cause)
  })
}
