// What people do, and thieves who copied their cookies.
import { ProviderUnavailable, StoreUnavailable } from '../../src/errors.ts'
import type { LookupResult } from '../../src/session/lookup-result.ts'
import type { Selection } from '../../src/session/selection.ts'
import type { Session } from '../../src/session/session.ts'
import { asRequest } from './events.ts'
import type { Judge } from './judge.ts'
import { issuer, mayBeOver, type Account } from './provider.ts'
import { names } from './redis/link.ts'
import { epoch } from './redis/servers.ts'
import type { Replica, Visitor, World } from './world.ts'

/** The newest pass, one that somebody kept, or none. */
export type Which = 'new' | 'old' | 'none'

export interface People {
  login(replica: Replica): void
  /** `renews`: the answer reaches the browser with a new pass. */
  request(replica: Replica, visitor: Visitor, which: Which, renews?: boolean): void
  logout(replica: Replica, visitor: Visitor): void
  /** The provider takes a group; the replica is asked next. */
  loseRight(replica: Replica, visitor: Visitor): void
  /** Only for the judge's last looks: who is valid must be let in. */
  mustEnter(replica: Replica, visitor: Visitor, orElse: string): void
}

const carried = (pass: string | undefined): string[] => (pass === undefined ? [] : [pass])

export function createPeople(world: World, judge: Judge): People {
  const { events, story, plan, manner, visitors, accounts, provider, servers } = world

  /** A request arrives, and is done within the budget of one. */
  function arrive(replica: Replica, task: () => Promise<void>): void {
    const { loop, cache } = replica
    if (loop === undefined || cache === undefined || replica.isStopping) return
    events.on(loop, 'socket', events.now, () => {
      replica.inFlight++
      const done = () => {
        if (replica.loop === loop) replica.inFlight--
      }
      asRequest(() => cache.withinBudget(task)).then(done, (error: unknown) => {
        done()
        judge.violation(
          'uncaught',
          `r${replica.index}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
        )
      })
    })
  }

  const wallOf = (replica: Replica) => servers.time(servers.primary) - servers.primary.skew + replica.skewMs

  function passOf(visitor: Visitor, which: Which): string | undefined {
    if (which === 'none') return undefined
    return (which === 'new' ? visitor.passes.at(-1) : plan.pick(visitor.passes))?.text
  }

  async function find(replica: Replica, visitor: Visitor, pass: string | undefined): Promise<LookupResult | Error> {
    const { sessions } = replica
    if (sessions === undefined) return new Error('it has ended')
    if (replica.cache?.coherence().isReseeding === true) replica.reseedingAt = events.now
    try {
      return await sessions.find(visitor.ticket, carried(pass))
    } catch (error) {
      if (error instanceof StoreUnavailable || error instanceof ProviderUnavailable) return error
      throw error
    }
  }

  const because = (answer: Exclude<LookupResult, { kind: 'found' }> | Error) =>
    answer instanceof Error
      ? ({ kind: 'later', why: answer.message } as const)
      : ({ kind: answer.kind === 'absent' ? 'absent' : 'later', why: answer.reason } as const)

  function tell(replica: Replica, visitor: Visitor, answer: LookupResult | Error): void {
    if (!story.isTold) return
    const words =
      answer instanceof Error
        ? `503 (${answer.message})`
        : answer.kind === 'found'
          ? `let in by ${answer.from}, generation ${answer.session.generation}`
          : `${answer.kind} (${answer.reason})`
    story.say(`r${replica.index} s${visitor.number}: ${words}`)
  }

  return {
    login(replica) {
      arrive(replica, async () => {
        const { loop, sessions } = replica
        if (sessions === undefined) return
        const account: Account = {
          subject: `person-${accounts.size}`,
          rights: 1,
          token: 1,
          hasEnded: false,
          expiresAt: 0,
        }
        accounts.set(account.subject, account)
        const visitor: Visitor = {
          number: visitors.length,
          account,
          begunAt: events.now,
          ticket: '',
          id: '',
          passes: [],
          withdrawals: [],
          isLeaving: false,
          isSuperseding: false,
          isDamaged: false,
          storedAt: undefined,
          statesStored: new Map(),
          onWithdrawn: undefined,
          rights: new Map(),
        }
        visitors.push(visitor)
        const begun = await sessions.begin(provider.login(account, wallOf(replica)))
        if (replica.loop !== loop) return
        visitor.ticket = begun.ticket
        visitor.id = begun.session.id
        // Written before its id was known here.
        if (servers.primary.keys.has(names.session(visitor.id))) visitor.storedAt = events.now
        visitor.rights.set(1, 1)
        visitor.passes.push({ text: begun.pass, generation: 1, at: events.now })
        story.say(
          `s${visitor.number} logs in at r${replica.index}${visitor.storedAt === undefined ? ' (unwritten)' : ''}`,
        )
      })
    },

    request(replica, visitor, which, renews = false) {
      if (visitor.ticket === '') return
      const pass = passOf(visitor, which)
      const since = events.now
      arrive(replica, async () => {
        const answer = await find(replica, visitor, pass)
        if (replica.loop === undefined) return
        if (!(answer instanceof Error) && answer.kind === 'found') {
          tell(replica, visitor, answer)
          judge.granted(replica, visitor, answer.session, answer.from)
          if (renews && answer.from !== 'pass') renew(replica, visitor, answer.session)
          return
        }
        tell(replica, visitor, answer)
        if (which === 'new') judge.refused(replica, visitor, because(answer), pass !== undefined, since)
      })
    },

    logout(replica, visitor) {
      if (visitor.ticket === '' || visitor.isLeaving) return
      if (manner.hits(0.3)) {
        endByName(replica, visitor)
        return
      }
      const pass = passOf(visitor, 'new')
      arrive(replica, async () => {
        visitor.isLeaving = true
        story.say(`s${visitor.number} wants to leave at r${replica.index}`)
        const answer = await find(replica, visitor, pass)
        const { sessions } = replica
        if (sessions === undefined) return
        const known = answer instanceof Error || answer.kind === 'absent' ? undefined : answer.session
        try {
          const ended = await sessions.end(visitor.ticket, known, carried(pass))
          if (ended === undefined) {
            judge.notEnded(replica, visitor, pass !== undefined)
            story.say(`s${visitor.number} has no session at r${replica.index} that could end`)
            visitor.isLeaving = false
          } else if (ended.full !== undefined) visitor.account.hasEnded = true
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error
          story.say(`s${visitor.number} cannot leave at r${replica.index}: ${error.message}`)
          visitor.isLeaving = false
        }
      })
    },

    loseRight(replica, visitor) {
      if (visitor.ticket === '' || visitor.isLeaving) return
      visitor.account.rights++
      story.say(`s${visitor.number} loses a right at the provider`)
      this.request(replica, visitor, 'new', true)
    },

    mustEnter(replica, visitor, orElse) {
      const since = events.now
      arrive(replica, async () => {
        const answer = await find(replica, visitor, undefined)
        if (replica.loop === undefined) return
        if (!(answer instanceof Error) && answer.kind === 'found') {
          judge.granted(replica, visitor, answer.session, answer.from)
          return
        }
        const { kind, why } = because(answer)
        if (judge.isWaiting(replica, why, since)) return
        if (mayBeOver(visitor.account) || visitor.withdrawals.length > 0) return
        judge.violation(orElse, `s${visitor.number} at r${replica.index}: ${kind} (${why})`)
      })
    },
  }

  /** The provider or an operator ends whatever sessions they have. */
  function endByName(replica: Replica, visitor: Visitor): void {
    const { subject } = visitor.account
    const named = { issuer, subject, sid: subject, issuedAt: Math.floor((epoch + events.now) / 1_000) }
    const selection = manner.pick<Selection>([
      { by: 'subject', ...named },
      { by: 'sid', ...named },
      { by: 'sid', issuer, sid: subject, issuedAt: named.issuedAt },
      { by: 'person', ...named },
      { by: 'user', user: subject },
    ])
    // The provider ends its own session first.
    if (selection.by === 'subject' || selection.by === 'sid') visitor.account.hasEnded = true
    visitor.isLeaving = true
    arrive(replica, async () => {
      story.say(`s${visitor.number} is ended by ${selection.by} at r${replica.index}`)
      const { loop } = replica
      const answer = await replica.sessions?.endSelected(selection)
      if (replica.loop !== loop || answer?.isKept !== true || visitor.withdrawals.length > 0) return
      judge.violation('answered-but-lost', `s${visitor.number} at r${replica.index}: nothing was withdrawn`)
    })
  }

  function renew(replica: Replica, visitor: Visitor, session: Session): void {
    const text = replica.sessions?.passFor(session, visitor.ticket)
    // The browser keeps the one it has.
    if (text !== undefined) visitor.passes.push({ text, generation: session.generation, at: events.now })
  }
}
