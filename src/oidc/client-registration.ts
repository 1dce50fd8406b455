// Dynamic client registration (RFC 7591) for a deployment: one client for all replicas, registered once under a lease, found by the
// others where they share it, renewed before its secret ends (RFC 7592, else anew), told when what we ask for has changed.
// What this process knows it keeps: an outage of the store ends no client and makes no second one.
import { decodeJwt } from 'jose'
import type { Lease, Leases } from '../cache/lease.ts'
import type { ProviderConfig, RegistrationConfig } from '../config/config.ts'
import { ProviderUnavailable, StoreUnavailable } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock, Timer } from '../time.ts'
import { hours, minutes, seconds } from '../time.ts'
import { createClientAuth } from './client-auth.ts'
import type { Client, Clients } from './client.ts'
import type { ClientStore } from './client-store.ts'
import type { Metadata } from './metadata.ts'
import { oneLine } from './provider-text.ts'
import { fingerprintOf, hasEnded, renewalTime, type Credentials, type RegisteredClient } from './registered-client.ts'
import type { RegistrationEndpoint, RegistrationResult } from './registration-endpoint.ts'

export interface ClientRegistrationDeps {
  readonly config: RegistrationConfig
  /** How to prove who we are, beside what a registration brings. */
  readonly auth: Pick<ProviderConfig, 'clientAssertion'>
  readonly endpoint: RegistrationEndpoint
  readonly store: ClientStore
  readonly leases: Leases
  /** Of the lease. */
  readonly scope: string
  readonly metadata: () => Promise<Metadata>
  readonly clock: Clock
  readonly timer: Timer
  /** 0 <= x < 1 */
  readonly random: () => number
  readonly logger: Logger
}

/** What another replica has changed is noticed after this long, or when the provider does not accept what we have. */
const lookEveryMs = minutes(1)
/** Another replica is at it: it takes no longer than a call. */
const waitMs = seconds(1)
const firstRetryMs = seconds(1)
const lastRetryMs = minutes(1)
/** Somebody has to change something first. */
const refusedRetryMs = minutes(5)
/** A provider that does not accept its own clients is not flooded with new ones. */
const rejectionsEveryMs = hours(1)
/** Should this process end between the provider's answer and its writing, nobody registers another one for so long. */
const leaseMs = seconds(60)

type Need = 'none' | 'register' | 'renew' | 'update' | 'verify'
type Failure = 'unreachable' | 'refused' | 'store'

interface Known {
  readonly registered: RegisteredClient
  readonly client: Client
  readonly previous: Client | undefined
}

export function createClientRegistration(deps: ClientRegistrationDeps): Clients {
  const { config, auth, endpoint, store, leases, scope, clock, timer, random, logger } = deps
  const asked = fingerprintOf(config.metadata)
  let known: Known | undefined
  /** Which process began last is right: so each tells what it asks for once, and not against the others for ever. */
  let hasAsked = false
  let isRejected = false
  let rejectedAt = -Infinity
  /** What the store does not have yet, and the lease that keeps the others from registering another one until then. */
  let unwritten: { readonly client: RegisteredClient; readonly lease: Lease } | undefined
  let failures = 0
  let told: string | undefined
  let lastFailure = ''
  let running = false
  let callOff: (() => void) | undefined
  let step: Promise<void> | undefined

  const clientOf = (credentials: Credentials): Client => ({
    id: credentials.clientID,
    authenticate: createClientAuth({
      ...auth,
      clientID: credentials.clientID,
      clientSecret: credentials.clientSecret,
      clientAuthMethod: credentials.authMethod,
    }),
  })

  function adopt(registered: RegisteredClient): void {
    if (known !== undefined && registered.version <= known.registered.version) return
    const { previous } = registered
    known = { registered, client: clientOf(registered), previous: previous && clientOf(previous) }
    isRejected = false
  }

  function fail(kind: Failure, detail: string): void {
    failures += 1
    lastFailure = detail
    // Once for each thing that is wrong, and not for each attempt.
    if (told === `${kind} ${detail}`) return
    told = `${kind} ${detail}`
    const fields = { event: 'client_registration_failed', reason: kind, detail }
    const goesOn = known === undefined ? 'nobody can log in until then' : 'going on with the client that is known'
    if (kind === 'refused') logger.error(fields, `the provider does not register this client: ${goesOn}`)
    else logger.warn(fields, `the client cannot be registered now, trying again: ${goesOn}`)
  }

  function need(client: RegisteredClient | undefined): Need {
    const now = clock()
    if (client === undefined) return 'register'
    if (now >= renewalTime(client)) return 'renew'
    if (client.asked !== asked && !hasAsked) return 'update'
    return isRejected && now - rejectedAt >= rejectionsEveryMs ? 'verify' : 'none'
  }

  /** The newest there is, here or there; what the store has lost it is given back. */
  async function look(): Promise<RegisteredClient | undefined> {
    const stored = await store.read()
    if (stored !== undefined) adopt(stored)
    const newest = known?.registered
    if (newest?.asked === asked) hasAsked = true
    if (newest !== undefined && newest.version > (stored?.version ?? 0) && !hasEnded(newest, clock())) {
      await store.write(newest)
    }
    return newest
  }

  /** How long until the next one (ms). */
  async function takeStep(): Promise<number> {
    let metadata
    try {
      metadata = await deps.metadata()
    } catch (error) {
      // Told by whoever looks for it.
      lastFailure = error instanceof Error ? error.message : 'unknown'
      return waitMs
    }
    if (need(await look()) === 'none') return untilNextLook()
    const lease = await leases.acquire(`client-${scope}`, leaseMs)
    if (lease === undefined) return waitMs
    try {
      // Whoever had the lease before us may have done it.
      const client = await look()
      const needed = need(client)
      if (needed === 'none') return untilNextLook()
      if (needed === 'verify') rejectedAt = clock()
      const result = await carryOut(needed, client, metadata)
      if (result.kind === 'refused') {
        hasAsked ||= needed === 'update'
        fail('refused', result.why)
        return refusedRetryMs
      }
      await keep(result.client, client, lease)
      return untilNextLook()
    } finally {
      // One that is kept for what is not written yet is given back with the writing.
      if (unwritten?.lease !== lease) await lease.release()
    }
  }

  type Outcome =
    | Extract<RegistrationResult, { kind: 'refused' }>
    | { readonly kind: 'done'; readonly client: Omit<RegisteredClient, 'version'> }

  async function carryOut(needed: Need, before: RegisteredClient | undefined, metadata: Metadata): Promise<Outcome> {
    if (before?.management !== undefined) {
      const result = await endpoint.update(before, before.management)
      if (result.kind === 'registered') {
        const client = { ...result.client, asked, previous: before.previous }
        // A server may take what we ask for and leave the end of the secret where it was.
        const isRenewed = needed !== 'renew' || clock() < renewalTime({ ...client, version: 0 })
        if (isRenewed) return { kind: 'done', client }
      }
      if (result.kind === 'refused') return result
    }
    const url = config.endpoint ?? metadata.registration_endpoint
    if (url === undefined) return { kind: 'refused', error: 'no_endpoint', why: noEndpoint }
    const result = await endpoint.register(url)
    if (result.kind === 'gone') throw new TypeError('a client that is not there yet cannot be gone')
    return result.kind === 'refused'
      ? result
      : { kind: 'done', client: { ...result.client, asked, previous: before && credentialsOf(before) } }
  }

  async function keep(
    made: Omit<RegisteredClient, 'version'>,
    before: RegisteredClient | undefined,
    lease: Lease,
  ): Promise<void> {
    const client: RegisteredClient = { ...made, version: (before?.version ?? 0) + 1 }
    adopt(client)
    hasAsked = true
    unwritten = { client, lease }
    logger.info(
      { event: before?.clientID === client.clientID ? 'client_updated' : 'client_registered' },
      `this deployment is the provider's client ${oneLine(client.clientID, [])}`,
    )
    await writeUnwritten()
  }

  async function writeUnwritten(): Promise<void> {
    if (unwritten === undefined) return
    const { client, lease } = unwritten
    await store.write(client)
    unwritten = undefined
    await lease.release()
  }

  function untilNextLook(): number {
    failures = 0
    told = undefined
    const renewal = known === undefined ? Infinity : renewalTime(known.registered) - clock()
    // Spread, so that replicas do not all look at once.
    return Math.max(waitMs, Math.min(renewal, lookEveryMs * (0.75 + random() / 2)))
  }

  function retryMs(): number {
    return Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10)) * (0.5 + random() / 2)
  }

  async function attempt(): Promise<void> {
    let nextMs
    try {
      await writeUnwritten()
      nextMs = await takeStep()
    } catch (error) {
      if (error instanceof StoreUnavailable) fail('store', error.message)
      else if (error instanceof ProviderUnavailable) fail('unreachable', error.message)
      else {
        logger.error({ event: 'client_registration_failed', reason: 'internal', err: error }, 'registration failed')
        failures += 1
      }
      nextMs = retryMs()
    }
    if (running) callOff = timer(() => void run(), nextMs)
  }

  function run(): Promise<void> {
    callOff?.()
    step ??= attempt().finally(() => (step = undefined))
    return step
  }

  function current(): Client {
    if (known !== undefined && !hasEnded(known.registered, clock())) return known.client
    const why = lastFailure === '' ? '' : `: ${lastFailure}`
    throw new ProviderUnavailable(`this client is not registered at the provider yet${why}`)
  }

  return {
    current,
    ofIDToken(idToken) {
      const previous = known?.previous
      return previous !== undefined && isFor(idToken, previous.id) ? previous : current()
    },
    ids() {
      const previous = known?.previous
      return previous === undefined ? [current().id] : [current().id, previous.id]
    },
    status: () => (known === undefined ? 'starting' : hasEnded(known.registered, clock()) ? 'failing' : 'ready'),
    async rejected(client) {
      const before = known?.client
      if (before !== undefined && client !== before) return client !== known?.previous
      isRejected = true
      if (running) await run()
      return known?.client !== before
    },
    start() {
      if (running) return
      running = true
      void run()
    },
    stop() {
      running = false
      callOff?.()
    },
  }
}

const credentialsOf = ({ clientID, clientSecret, authMethod }: Credentials): Credentials => ({
  clientID,
  clientSecret,
  authMethod,
})

function isFor(idToken: string | undefined, clientID: string): boolean {
  if (idToken === undefined) return false
  try {
    const { aud } = decodeJwt(idToken)
    return Array.isArray(aud) ? aud.includes(clientID) : aud === clientID
  } catch {
    return false
  }
}

const noEndpoint =
  'the provider names no registration_endpoint: set dynamicClientRegistration.registrationEndpoint, or register the client by hand (clientID)'
