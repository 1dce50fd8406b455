// What a simulated Redis holds, and one command or script at work on it: who may write, when memory is full, what expires.
// Entries are never changed, only replaced: a snapshot or what goes to a replica is a matter of references.

export type Value =
  | { readonly type: 'string'; readonly bytes: Buffer }
  /** In order of score. */
  | { readonly type: 'zset'; readonly members: readonly { readonly member: string; readonly score: number }[] }
  | { readonly type: 'hash'; readonly fields: ReadonlyMap<string, string> }
  | { readonly type: 'list' }

export interface Entry {
  readonly value: Value
  /** By the server's clock. */
  readonly expiresAt: number | undefined
}

export type Keyspace = Map<string, Entry>

/** As the driver throws what the server answers. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
}

export interface Effect {
  readonly name: string
  /** Undefined: deleted. */
  readonly entry: Entry | undefined
}

export interface ServerState {
  readonly isReadOnly: boolean
  readonly isFull: boolean
  /** Milliseconds since the epoch by the server's clock. */
  readonly time: number
}

/** One command, or one script. */
export class Transaction {
  readonly effects: Effect[] = []
  readonly published: { readonly channel: string; readonly text: string }[] = []
  readonly time: number
  readonly #keys: Keyspace
  readonly #server: ServerState
  #hasWritten = false

  constructor(keys: Keyspace, server: ServerState) {
    this.#keys = keys
    this.#server = server
    this.time = server.time
  }

  entry(name: string): Entry | undefined {
    const found = this.#keys.get(name)
    return found?.expiresAt !== undefined && found.expiresAt <= this.time ? undefined : found
  }

  #typed<Type extends Value['type']>(name: string, type: Type): Extract<Value, { type: Type }> | undefined {
    const value = this.entry(name)?.value
    if (value === undefined) return undefined
    if (value.type !== type) throw new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value')
    // Compared just now.
    return value as Extract<Value, { type: Type }>
  }

  /** A server without memory refuses commands that need some, but not within a script that has written already. */
  #mayWrite(needsRoom: boolean): void {
    if (this.#hasWritten) return
    if (this.#server.isReadOnly) throw new ReplyError("READONLY You can't write against a read only replica.")
    if (needsRoom && this.#server.isFull) {
      throw new ReplyError("OOM command not allowed when used memory > 'maxmemory'.")
    }
    this.#hasWritten = true
  }

  #put(name: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#keys.delete(name)
    else this.#keys.set(name, entry)
    this.effects.push({ name, entry })
  }

  type(name: string): Value['type'] | 'none' {
    return this.entry(name)?.value.type ?? 'none'
  }

  get(name: string): Buffer | undefined {
    return this.#typed(name, 'string')?.bytes
  }

  /** -2: absent, -1: without an end. */
  ttl(name: string): number {
    const entry = this.entry(name)
    if (entry === undefined) return -2
    return entry.expiresAt === undefined ? -1 : entry.expiresAt - this.time
  }

  set(name: string, bytes: Buffer, ttlMs: number, onlyIfAbsent = false): boolean {
    this.#mayWrite(true)
    if (onlyIfAbsent && this.entry(name) !== undefined) return false
    this.#put(name, { value: { type: 'string', bytes }, expiresAt: this.time + ttlMs })
    return true
  }

  /** What another program left there. */
  place(name: string, value: Value): void {
    this.#put(name, { value, expiresAt: undefined })
  }

  del(name: string): number {
    this.#mayWrite(false)
    const existed = this.entry(name) !== undefined
    if (this.#keys.has(name)) this.#put(name, undefined)
    return existed ? 1 : 0
  }

  expire(name: string, ttlMs: number): number {
    this.#mayWrite(false)
    const entry = this.entry(name)
    if (entry === undefined) return 0
    this.#put(name, { ...entry, expiresAt: this.time + ttlMs })
    return 1
  }

  #replace(name: string, value: Value, isEmpty: boolean): void {
    this.#put(name, isEmpty ? undefined : { value, expiresAt: this.entry(name)?.expiresAt })
  }

  members(name: string) {
    return this.#typed(name, 'zset')?.members ?? []
  }

  zadd(name: string, score: number, member: string): void {
    this.#mayWrite(true)
    const others = this.members(name).filter((known) => known.member !== member)
    const members = [...others, { member, score }].sort((a, b) => a.score - b.score || (a.member < b.member ? -1 : 1))
    this.#replace(name, { type: 'zset', members }, false)
  }

  /** Those that `isGone` says of. How many there were. */
  zrem(name: string, isGone: (score: number, member: string) => boolean): number {
    this.#mayWrite(false)
    const before = this.members(name)
    const members = before.filter(({ score, member }) => !isGone(score, member))
    if (members.length !== before.length) this.#replace(name, { type: 'zset', members }, members.length === 0)
    return before.length - members.length
  }

  fields(name: string): ReadonlyMap<string, string> {
    return this.#typed(name, 'hash')?.fields ?? new Map()
  }

  hset(name: string, field: string, text: string): void {
    this.#mayWrite(true)
    this.#replace(name, { type: 'hash', fields: new Map(this.fields(name)).set(field, text) }, false)
  }

  hdel(name: string, field: string): number {
    this.#mayWrite(false)
    const fields = new Map(this.fields(name))
    if (!fields.delete(field)) return 0
    this.#replace(name, { type: 'hash', fields }, fields.size === 0)
    return 1
  }

  publish(channel: string, text: string): void {
    this.published.push({ channel, text })
  }
}
