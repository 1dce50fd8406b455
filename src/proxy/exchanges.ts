// Requests that take longer than a moment: event streams, long polls, uploads and downloads. From then on each is a stream, which ends
// with the session under which it was let through.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { seconds, type Timer } from '../time.ts'
import type { Follow, OpenStream, Streams } from './streams.ts'

export interface Exchange {
  /** The application's answer has begun. */
  answered(body: Readable): void
}

export interface Exchanges {
  /** Watches over a request that was let through, until its answer has ended. `hasBody`: an upload is under way. */
  begin(exchange: { socket: Socket; response: ServerResponse; hasBody: boolean; follow: Follow }): Exchange
}

/** Shorter ones are over before anybody could be told. */
const momentMs = seconds(1)
/** How often an upload is looked at: as long as it goes on, its person is there. */
const uploadLookMs = seconds(5)
/** For the end of an event stream to be taken. */
const partingMs = 300

export function createExchanges(streams: Streams, timer: Timer): Exchanges {
  return {
    begin({ socket, response, hasBody, follow }) {
      let body: Readable | undefined
      let stream: OpenStream | undefined
      let callOff = timer(() => {
        stream = streams.open(() => (isEvents(response) ? 'events' : 'transfer'), follow, close)
        if (hasBody) watchUpload(socket.bytesRead)
      }, momentMs)
      response.once('close', () => {
        callOff()
        stream?.done()
      })

      function watchUpload(read: number): void {
        callOff = timer(() => {
          if (socket.bytesRead > read) stream?.used()
          watchUpload(socket.bytesRead)
        }, uploadLookMs)
      }

      function close(): void {
        callOff()
        // An event that is not whole is dropped by its reader, who comes again and is told to log in. Anything else would seem to
        // be whole, were it ended rather than cut.
        if (body === undefined || !isEvents(response)) return void socket.destroy()
        body.unpipe(response)
        response.end()
        timer(() => response.writableFinished || socket.destroy(), partingMs)
      }

      return {
        answered(answer) {
          body = answer
          // undici's word for the upstream's `idleTimeout`. The client is cut off with the application.
          answer.once('error', (error: Error & { code?: unknown }) => {
            if (error.code === 'UND_ERR_BODY_TIMEOUT') stream?.end('silent')
          })
        },
      }
    },
  }
}

const isEvents = (response: ServerResponse): boolean =>
  response.headersSent && /^text\/event-stream\b/i.test(String(response.getHeader('content-type')))
