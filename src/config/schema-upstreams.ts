// One application of reverse-proxy mode. Durations are those of a connection to it.
import { z } from 'zod'
import { pageOrigin, ruleHost, webURL } from './network.ts'
import { leaf, listOf } from './option.ts'
import { plainPath } from './url-path.ts'
import { duration, durationOrOff, flag, integer, text } from './values.ts'

const timeout = duration('1ms', '1h')

export const upstreamOptions = <Rules extends z.ZodType>(rules: Rules) =>
  z.strictObject({
    host: leaf(ruleHost).optional(),
    path: leaf(plainPath).prefault('/'),
    url: leaf(webURL),
    caFile: leaf(text).optional(),
    certFile: leaf(text).optional(),
    keyFile: leaf(text).optional(),
    serverName: leaf(text).optional(),
    passHost: leaf(flag).prefault(true),
    allowedOrigins: listOf(leaf(pageOrigin)).prefault([]),
    connectTimeout: leaf(timeout).prefault('10s'),
    responseTimeout: leaf(timeout).prefault('60s'),
    idleTimeout: leaf(durationOrOff('1s', '7d')).prefault('off'),
    maxConnections: leaf(integer(1, 1_000_000)).optional(),
    healthPath: leaf(plainPath).optional(),
    healthInterval: leaf(duration('1s', '1h')).prefault('10s'),
    rules: rules.prefault([] as never),
  })
