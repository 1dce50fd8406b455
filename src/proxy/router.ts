// Which connections a request of reply-from's goes by. It knows one sender for all upstreams; ours have one each, and with it their
// own timeouts, certificates and CA. What it would not pass on (the body of a GET) goes the same way.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Dispatcher } from './dispatcher.ts'

interface Way {
  readonly dispatcher: Dispatcher
  readonly body: IncomingMessage | undefined
}

const way = Symbol('way')

/** The headers that reply-from hands on, with what it knows nothing of. */
export const onTheWay = (
  headers: IncomingHttpHeaders,
  dispatcher: Dispatcher,
  body: IncomingMessage | undefined,
): IncomingHttpHeaders => Object.assign(headers, { [way]: { dispatcher, body } satisfies Way })

/** What reply-from sends requests with, and destroys when the server closes. */
export function createRouter(dispatchers: () => Iterable<Dispatcher>) {
  const request = (
    options: Parameters<Dispatcher['request']>[0] & { headers: { [way]?: Way } },
    answer: Parameters<Dispatcher['request']>[2],
  ): void => {
    const { [way]: taken, ...headers } = options.headers
    // Cannot be: all that reply-from sends has gone through `rewriteRequestHeaders`. Throwing is a 500, never another way.
    if (taken === undefined) throw new Error('a request without an upstream')
    taken.dispatcher.request({ ...options, headers }, taken.body, answer)
  }
  return {
    request,
    // What reply-from would ask for; each upstream has its own.
    bodyTimeout: 0,
    destroy() {
      for (const dispatcher of dispatchers()) dispatcher.destroy()
    },
  }
}
