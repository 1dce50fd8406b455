import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { createCrowd } from '../../src/peers/crowd.ts'

/** A full house: the first named is there for longest. */
function aCrowd(...names: string[]) {
  const crowd = createCrowd(names.length)
  const sockets = new Map<string, Socket>()
  const admit = (name: string): Socket => {
    const socket = new Socket()
    sockets.set(name, socket)
    crowd.admit(socket)
    return socket
  }
  const members = names.map(admit)
  const gone = () => [...sockets].filter(([, { destroyed }]) => destroyed).map(([name]) => name)
  return { crowd, admit, gone, members }
}

test('where another one comes, the stranger who is there for longest goes', () => {
  const { crowd, admit, gone, members } = aCrowd('peer', 'old stranger', 'stranger')
  members.slice(0, 1).forEach(crowd.proved)
  admit('new')
  assert.deepEqual(gone(), ['old stranger'])
  admit('newer')
  assert.deepEqual(gone(), ['old stranger', 'stranger'])
  admit('newest')
  assert.deepEqual(gone(), ['old stranger', 'stranger', 'new'])
  assert.equal(crowd.size, 3)
})

test('a stranger who is being answered goes, too: what it asks may have no end', () => {
  const { crowd, admit, gone, members } = aCrowd('stranger')
  members.forEach(crowd.atWork)
  admit('new')
  assert.deepEqual(gone(), ['stranger'])
})

test('among peers the one that was idle for longest makes room, and none that is being answered', () => {
  const { crowd, admit, gone, members } = aCrowd('at work', 'idle', 'just heard')
  const done = members.slice(0, 1).map(crowd.atWork)
  members.forEach(crowd.proved)
  crowd.proved(admit('one more'))
  assert.deepEqual(gone(), ['idle'])
  for (const finish of done) finish()
  admit('another')
  assert.deepEqual(gone(), ['at work', 'idle'])
})

test('where all are at work, whoever comes is turned away', () => {
  const { crowd, admit, gone, members } = aCrowd('one', 'two')
  members.forEach(crowd.atWork)
  members.forEach(crowd.proved)
  admit('three')
  assert.deepEqual(gone(), ['three'])
  assert.equal(crowd.size, 2)
})

test('a connection that has ended takes no room', async () => {
  const { crowd, admit, gone, members } = aCrowd('one', 'two')
  members.slice(0, 1).forEach((socket) => socket.destroy())
  await new Promise((resolve) => setImmediate(resolve))
  admit('three')
  assert.deepEqual(gone(), ['one'])
  assert.equal(crowd.size, 2)
})
