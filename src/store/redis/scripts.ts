// The steps that must be atomic on the server, as Lua. The note is published in the same step as the write: a replica that
// hears it will read the new value, and no write goes unheard. Redis 5 and later (no `GT`, no `KEEPTTL`), Valkey too.
// Every script writes a time to live with each key it creates.

interface Script {
  readonly numberOfKeys: number
  readonly lua: string
}

// ARGV of the publishing scripts end with: channel, note ('' for none: then nothing is published).
const publish = (channel: number) =>
  `if ARGV[${channel + 1}] ~= '' then redis.call('PUBLISH', ARGV[${channel}], ARGV[${channel + 1}]) end`

export const redisScripts = {
  /** key | value, ttl, channel, note */
  fgSet: {
    numberOfKeys: 1,
    lua: `redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) ${publish(3)} return 1`,
  },
  /** key | value, ttl, channel, note, expected head */
  fgReplace: {
    numberOfKeys: 1,
    lua: `if redis.call('GETRANGE', KEYS[1], 0, #ARGV[5] - 1) ~= ARGV[5] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) ${publish(3)} return 1`,
  },
  /** key, mark | value, ttl, channel, note -> 0 written, 1 exists, 2 marked */
  fgSeed: {
    numberOfKeys: 2,
    lua: `if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if not redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then return 1 end
${publish(3)} return 0`,
  },
  /** key, mark | mark value, ttl, channel, note. A mark that already lives longer keeps its end: revoked stays revoked. */
  fgRevoke: {
    numberOfKeys: 2,
    lua: `local existed = redis.call('DEL', KEYS[1])
local ttl = math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[2]))
redis.call('SET', KEYS[2], ARGV[1], 'PX', string.format('%.0f', ttl)) ${publish(3)} return existed`,
  },
  /** key | channel, note */
  fgDelete: {
    numberOfKeys: 1,
    lua: `local existed = redis.call('DEL', KEYS[1]) ${publish(1)} return existed`,
  },
  /** key | expected */
  fgDeleteIf: {
    numberOfKeys: 1,
    lua: `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])`,
  },
  /** key | expected, ttl */
  fgTouchIf: {
    numberOfKeys: 1,
    lua: `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  },
  /** key | member, expires at, now. Our clock on both sides of the subtraction: the server's may differ. */
  fgIndexAdd: {
    numberOfKeys: 1,
    lua: `redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local ttl = math.max(tonumber(ARGV[2]) - tonumber(ARGV[3]), redis.call('PTTL', KEYS[1]))
return redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl))`,
  },
} as const satisfies Record<string, Script>

type Argument = string | number | Buffer

/** The scripts as the driver offers them: one method each, keys first. */
export type RedisScripts = {
  readonly [Name in keyof typeof redisScripts]: (...keysAndArguments: Argument[]) => Promise<unknown>
}
