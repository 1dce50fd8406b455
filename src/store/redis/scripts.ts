// The steps that must be atomic on the server, as Lua. The note is published in the same step as the write: a replica that
// hears it will read the new value, and no write goes unheard. Redis 5 and later (no `GT`, no `KEEPTTL`), Valkey too.
// Every script writes a time to live with each key it creates. A server whose memory is full refuses a script at its first
// command that needs memory, unless one that writes without needing any came before: withdrawals begin with one of those.

import { everyGeneration } from '../withdrawal-log.ts'

interface Script {
  readonly numberOfKeys: number
  readonly lua: string
}

// ARGV of the publishing scripts end with: channel, note ('' for none: then nothing is published).
const publish = (channel: number) =>
  `if ARGV[${channel + 1}] ~= '' then redis.call('PUBLISH', ARGV[${channel}], ARGV[${channel + 1}]) end`

// As `floorOfMark` (store/mark.ts) reads it: '1' and whatever is damaged withdraw everything.
const floorOf = `local function floorOf(mark)
  if not mark then return 0 end
  return tonumber(string.match(tostring(mark), '^f(%d+)$') or '${everyGeneration}')
end`

// The answer of a command; where the key holds something of a wrong type, nobody's of ours, it goes, and "instead" is the answer.
// Any other error (an ACL's) ends the script: an ACL that forbids to look must not delete.
const ofOwnType = `local function ofOwnType(instead, command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then return redis.call(command, key, ...) end
  redis.call('DEL', key)
  return instead
end`

// The log is a sorted set of '<id>:<floor>' by n, the head 'n chain count', the members a hash. A head that does not fit the set
// (evicted, rolled back alone, damaged) begins a new history, so that everybody reads anew and writes back what they know.
// Scores that leave no room for the next one are nobody's of ours.
const log = `${ofOwnType}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function decimal(number) return string.format('%.0f', number) end
ofOwnType(0, 'HDEL', KEYS[3], '')
local size = ofOwnType(0, 'ZCARD', KEYS[1])
local n, chain, count = string.match(ofOwnType('', 'GET', KEYS[2]) or '', '^(%d+) (%x+) (%d+)$')
local isNew = not n or #n > 15 or tonumber(count) ~= size
if isNew then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(1')
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '1e15', '+inf')
  size = redis.call('ZCARD', KEYS[1])
  n = math.ceil(tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '0'))
  chain = ARGV[1]
end
n = tonumber(n)
local function writeHead()
  redis.call('SET', KEYS[2], decimal(n) .. ' ' .. chain .. ' ' .. decimal(size), 'PX', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end`

export const redisScripts = {
  /** key | value, ttl */
  fgAddWhenFull: {
    numberOfKeys: 1,
    lua: `if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1`,
  },
  /** key | value, ttl, channel, note, expected head */
  fgCompareAndSet: {
    numberOfKeys: 1,
    // Also on a full server: what it replaces is as large, and a refresh that is not written would leave a spent token behind.
    lua: `if redis.call('GETRANGE', KEYS[1], 0, #ARGV[5] - 1) ~= ARGV[5] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) ${publish(3)} return 1`,
  },
  /** key, mark | value, ttl, channel, note, generation -> 0 written, 1 exists, 2 marked */
  fgSetUnlessMarked: {
    numberOfKeys: 2,
    lua: `${floorOf}
if floorOf(redis.call('GET', KEYS[2])) > tonumber(ARGV[5]) then return 2 end
if not redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then return 1 end
${publish(3)} return 0`,
  },
  /** key, mark | mark value, ttl, channel, note. What already reaches further keeps its floor, what lives longer its end. */
  fgWithdraw: {
    numberOfKeys: 2,
    lua: `${floorOf}
${ofOwnType}
local before = ofOwnType(false, 'GET', KEYS[2])
local ttl = string.format('%.0f', math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[2])))
redis.call('PEXPIRE', KEYS[2], ttl)
local mark = ARGV[1]
if floorOf(before) > floorOf(mark) then mark = before end
local existed
if floorOf(mark) >= ${everyGeneration} then existed = redis.call('DEL', KEYS[1]) else existed = redis.call('EXISTS', KEYS[1]) end
redis.call('SET', KEYS[2], mark, 'PX', ttl) ${publish(3)} return existed`,
  },
  /** key | expected */
  fgCompareAndDelete: {
    numberOfKeys: 1,
    lua: `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])`,
  },
  /** key | expected, ttl */
  fgCompareAndTouch: {
    numberOfKeys: 1,
    lua: `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  },
  /** key | head. SETRANGE would make a value that lives for ever where there is none. */
  fgOverwriteHead: {
    numberOfKeys: 1,
    lua: `if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('SETRANGE', KEYS[1], 0, ARGV[1]) return 1`,
  },
  /** set | member, its end, now */
  fgAddMember: {
    numberOfKeys: 1,
    lua: `${ofOwnType}
ofOwnType(0, 'ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(1, last - tonumber(ARGV[3])))) return 1`,
  },
  /**
   * key | interval, window -> ms to wait, 0: taken. As `take` in store/rate.ts, by the server's clock, whichever replica asks. What compares
   * with nothing (`nan`) is not due. Nothing
   * is written for who has to wait.
   */
  fgTake: {
    numberOfKeys: 1,
    lua: `${ofOwnType}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = tonumber(ofOwnType(false, 'GET', KEYS[1]) or '0') or 0
if not (due >= now and due <= now + window) then due = now end
local after = due + interval
if after > now + window then return math.ceil(after - window - now) end
redis.call('SET', KEYS[1], string.format('%.3f', after), 'PX', string.format('%.0f', math.max(1, math.ceil(after - now)))) return 0`,
  },
  /**
   * log, head, members | chain of a new history, ttl, replica, record, channel, token, n of the position or '', most entries,
   * how long a member is remembered, channel and note for a new one (or '') -> n, chain, server time, members before, entries or false
   */
  fgBeat: {
    numberOfKeys: 3,
    lua: `${log}
if isNew or tonumber(ARGV[6]) % 64 == 1 then writeHead() end
local members = redis.call('HGETALL', KEYS[3])
for at = 1, #members, 2 do
  local beat = tonumber(string.match(members[at + 1], '^(%d+) ') or '0')
  if now - beat > tonumber(ARGV[9]) then redis.call('HDEL', KEYS[3], members[at]) end
end
local isNewMember = redis.call('HSET', KEYS[3], ARGV[3], decimal(now) .. ' ' .. ARGV[4]) == 1
redis.call('PEXPIRE', KEYS[3], ARGV[2])
if isNewMember and ARGV[11] ~= '' then redis.call('PUBLISH', ARGV[10], ARGV[11]) end
redis.call('PUBLISH', ARGV[5], ARGV[6])
local entries = false
if ARGV[7] ~= '' then
  local most = tonumber(ARGV[8])
  entries = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[7], '+inf', 'WITHSCORES', 'LIMIT', 0, most + 1)
  if #entries > 2 * most then entries = false end
end
return {decimal(n), chain, decimal(now), members, entries}`,
  },
  /** log, head, members | chain of a new history, ttl, how long an entry is of use, entries ... */
  fgAppend: {
    numberOfKeys: 3,
    lua: `${log}
size = size - redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', decimal(now - tonumber(ARGV[3])))
for at = 4, #ARGV do
  if not redis.call('ZSCORE', KEYS[1], ARGV[at]) then
    n = math.max(n + 1, now)
    chain = redis.sha1hex(chain .. ' ' .. ARGV[at])
    redis.call('ZADD', KEYS[1], decimal(n), ARGV[at])
    size = size + 1
  end
end
writeHead()
return 1`,
  },
} as const satisfies Record<string, Script>

type Argument = string | number | Buffer

/** The scripts as the driver offers them: one method each, keys first. */
export type RedisScripts = {
  readonly [Name in keyof typeof redisScripts]: (...keysAndArguments: Argument[]) => Promise<unknown>
}
