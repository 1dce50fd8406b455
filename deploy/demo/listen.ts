// Ports for things that run beside each other on one machine.
import { createServer, type Server } from 'node:http'

/** The port that the server got: `preferred` where it is free, otherwise any. */
export async function listenOn(server: Server, preferred = 0, host = '127.0.0.1'): Promise<number> {
  try {
    return await listen(server, preferred, host)
  } catch (error) {
    if (preferred === 0 || !(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    return listen(server, 0, host)
  }
}

/** Ends its connections, too; resolves once it is closed. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

/** A port that was free a moment ago, for a program that must be told its port: `preferred` if it is free. */
export async function freePort(preferred = 0): Promise<number> {
  const server = createServer()
  const port = await listenOn(server, preferred)
  await new Promise((resolve) => server.close(resolve))
  return port
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
}
