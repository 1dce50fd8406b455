// Our own question to an application, where one is configured: any answer below 500 is a good one. Nobody's identity goes along.
import type { UpstreamConfig } from '../config/config.ts'
import { seconds, type Timer } from '../time.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { UpstreamStates } from './upstream-states.ts'

/** However long its people may wait for an answer. */
const waitAtMostMs = seconds(5)

/** Asks at once and then in intervals; the returned function ends it. */
export function checkHealth(deps: {
  upstream: UpstreamConfig
  dispatcher: Pick<Dispatcher, 'request'>
  states: Pick<UpstreamStates, 'answered' | 'failed'>
  timer: Timer
}): () => void {
  const { upstream, dispatcher, states, timer } = deps
  const { url, health } = upstream
  if (health === undefined) return () => undefined
  const { origin, host } = new URL(url)
  const { path, intervalMs } = health
  let callOff = () => {}
  let isOver = false

  function ask(): void {
    const { signal, abort } = aborter()
    const late = timer(abort, waitAtMostMs)
    const headers = { host, 'user-agent': 'foregate' }
    dispatcher.request({ origin, path, method: 'GET', headers, signal }, undefined, (error, answer) => {
      late()
      if (error === null) {
        // Not read, and nobody's fault if it breaks off.
        answer.body.on('error', () => undefined).destroy()
      }
      if (isOver) return
      if (error !== null) states.failed(upstream, error, 'check')
      else if (answer.statusCode < 500) states.answered(upstream, 'check')
      else states.failed(upstream, new BadAnswer(answer.statusCode), 'check')
      callOff = timer(ask, intervalMs)
    })
  }
  ask()
  return () => {
    isOver = true
    callOff()
  }
}

class BadAnswer extends Error {
  readonly code: string
  constructor(status: number) {
    super(`the answer to healthPath was ${status}`)
    this.code = `status_${status}`
  }
}

function aborter(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort(new Error('no answer within 5 s')) }
}
