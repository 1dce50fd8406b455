// The driver's part: a data connection that carries commands in order, is lost, and connects again. What it offers is what
// src/store/redis/store.ts and log.ts ask of the real driver.
import type { DataClient } from '../../../src/store/redis/connection.ts'
import { retryDelayMs } from '../../../src/store/redis/connection.ts'
import type { Runtime } from '../../../src/runtime.ts'
import type { Events, Loop } from '../events.ts'
import { commands, type CommandName } from './commands.ts'
import { ReplyError } from './keyspace.ts'
import { serverFor, type Network, type Roads } from './network.ts'
import type { Server } from './servers.ts'

export interface SimulatedClient {
  readonly commands: DataClient
  onReady: () => void
  onClose: (error: Error) => void
  connect(): void
  /** Cut from the other side, or by the network. */
  cut(): void
  readonly server: Server | undefined
  close(): void
}

interface Connection {
  readonly server: Server
  readonly incarnation: number
  isOpen: boolean
  /** When the last command arrives, and the last answer: both in order. */
  arrivesAt: number
  answeredAt: number
  lastHeardAt: number
  readonly pending: Set<(error: Error) => void>
  /** What a black hole holds back. */
  held: (() => void)[]
}

const connectTimeoutMs = 5_000
/** The driver gives a connection up that is silent for so long while something waits for an answer. */
const socketTimeoutMs = 3_000
const readOnlyReconnectMs = 5_000

export function createClient(deps: {
  events: Events
  loop: Loop
  network: Network
  roads: Roads
  replica: number
  runtime: Pick<Runtime, 'timer' | 'random' | 'stopwatch'>
  onAnswer: () => void
}): SimulatedClient {
  const { events, loop, network, roads, replica, runtime } = deps
  const { servers, chance } = network
  let connection: Connection | undefined
  let attempts = 0
  let isClosed = false
  let reconnectNotBefore = 0
  let watching = false

  const onSocket = (time: number, task: () => void) => events.on(loop, 'socket', time, task)

  // --- connecting -----------------------------------------------------------------------------------------------------

  function connect(): void {
    if (isClosed || connection !== undefined) return
    const startedAt = events.now
    let isOver = false
    const over = (task: () => void) => () => {
      if (isOver || isClosed) return
      isOver = true
      task()
    }
    runtime.timer(
      over(() => failed(new Error('connect ETIMEDOUT'))),
      connectTimeoutMs,
    )
    // A lost SYN is sent again after 1 s, and after 3 s.
    for (const delay of [0, 1_000, 3_000]) {
      events.at(startedAt + delay + network.latency(), () => {
        if (isOver || loop.hasEnded || roads.data === 'blackhole') return
        const server = serverFor(network, roads)
        if (roads.data === 'refused' || !server.isUp) {
          onSocket(
            events.now + 1,
            over(() => failed(refused())),
          )
          return
        }
        // The ready check is a command: a frozen server does not answer it.
        servers.whenAwake(server, () =>
          onSocket(
            events.now + network.latency(),
            over(() => opened(server)),
          ),
        )
      })
    }
  }

  function opened(server: Server): void {
    if (!server.isUp || roads.data !== 'ok') {
      failed(refused())
      return
    }
    attempts = 0
    connection = {
      server,
      incarnation: server.incarnation,
      isOpen: true,
      arrivesAt: 0,
      answeredAt: 0,
      lastHeardAt: events.now,
      pending: new Set(),
      held: [],
    }
    client.onReady()
  }

  function failed(error: Error): void {
    client.onClose(error)
    again()
  }

  function again(): void {
    if (!isClosed) runtime.timer(connect, retryDelayMs(++attempts, runtime.random))
  }

  function drop(own: Connection, error: Error): void {
    if (!own.isOpen) return
    own.isOpen = false
    own.held = []
    if (own !== connection) return
    connection = undefined
    for (const reject of own.pending) reject(new Error('Connection is closed.'))
    if (isClosed) return
    client.onClose(error)
    again()
  }

  /** Fires, as the platform's does, before the sockets are read. */
  function watch(own: Connection): void {
    if (watching) return
    watching = true
    runtime.timer(
      () => {
        watching = false
        if (!own.isOpen || own.pending.size === 0) return
        if (events.now - own.lastHeardAt >= socketTimeoutMs) drop(own, new Error('Socket timeout'))
        else watch(own)
      },
      Math.max(1, own.lastHeardAt + socketTimeoutMs - events.now),
    )
  }

  // --- commands -------------------------------------------------------------------------------------------------------

  function throughHole(own: Connection, task: () => void): void {
    if (roads.data !== 'blackhole') {
      task()
      return
    }
    own.held.push(task)
    const onHealed = () => {
      const { held } = own
      own.held = []
      for (const late of held) events.at(events.now + chance.between(1, 400), late)
    }
    if (own.held.length === 1) roads.healed.add(onHealed)
  }

  function send(name: CommandName, given: (string | number | Buffer)[]): Promise<unknown> {
    const own = connection
    if (own === undefined) return Promise.reject(new Error('Connection is closed.'))
    return new Promise((resolve, reject) => {
      if (own.pending.size === 0) own.lastHeardAt = events.now
      own.pending.add(reject)
      watch(own)
      own.arrivesAt = Math.max(own.arrivesAt, events.now + network.latency())
      events.at(own.arrivesAt, () =>
        throughHole(own, () => {
          const { server } = own
          if (!server.isUp || server.incarnation !== own.incarnation || roads.data === 'refused') return
          // Also where the connection has been given up meanwhile: the command was on its way.
          servers.whenAwake(server, () => answer(own, carriedOut(server, name, given), resolve, reject))
        }),
      )
    })
  }

  function carriedOut(server: Server, name: CommandName, given: (string | number | Buffer)[]) {
    try {
      return { reply: servers.run(server, name, given, replica) }
    } catch (error) {
      if (error instanceof ReplyError) return { error }
      throw error
    }
  }

  function answer(
    own: Connection,
    outcome: { reply: unknown } | { error: ReplyError },
    resolve: (reply: unknown) => void,
    reject: (error: Error) => void,
  ): void {
    own.answeredAt = Math.max(own.answeredAt, events.now + network.latency())
    events.at(own.answeredAt, () =>
      throughHole(own, () => {
        if (!own.isOpen || roads.data === 'refused') return
        onSocket(events.now, () => {
          if (!own.isOpen) return
          own.lastHeardAt = events.now
          own.pending.delete(reject)
          if ('reply' in outcome) {
            deps.onAnswer()
            resolve(outcome.reply)
            return
          }
          reject(outcome.error)
          if (outcome.error.message.startsWith('READONLY') && runtime.stopwatch() >= reconnectNotBefore) {
            reconnectNotBefore = runtime.stopwatch() + readOnlyReconnectMs
            onSocket(events.now + 1, () => drop(own, new Error('READONLY')))
          }
        })
      }),
    )
  }

  const client: SimulatedClient = {
    // The few methods of the driver that the service uses; its type has hundreds.
    commands: Object.fromEntries(
      Object.keys(commands).map((name) => [
        name,
        // The names are those of the table.
        (...given: (string | number | Buffer)[]) => send(name as CommandName, given),
      ]),
    ) as unknown as DataClient,
    onReady: () => undefined,
    onClose: () => undefined,
    connect,
    cut() {
      const own = connection
      if (own !== undefined) onSocket(events.now, () => drop(own, refusedLater()))
    },
    get server() {
      return connection?.server
    },
    close() {
      isClosed = true
      if (connection !== undefined) drop(connection, refusedLater())
    },
  }
  return client
}

export const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

const refusedLater = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
