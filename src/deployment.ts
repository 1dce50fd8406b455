import { createHash } from 'node:crypto'
import type { Config } from './config/config.ts'

/**
 * Names what belongs together: replicas of one provider, one client and one key prefix. Sessions, passes, flows, notes and the
 * record of withdrawals are bound to it, so that a second deployment with the same key, even on the same Redis, honours none of
 * the first one's. 16 characters, base64url.
 */
export function deploymentScope({ provider, redis }: Pick<Config, 'provider' | 'redis'>): string {
  // One replica's file may have the slash at the end and another one's not: they mean the same provider.
  // A client that is registered by us has no id yet, and another one later: no id at all is nobody else's.
  const clientID = provider.registration === undefined ? provider.clientID : null
  const named = JSON.stringify([provider.providerURL.replace(/\/+$/, ''), clientID, redis.keyPrefix])
  return createHash('sha256').update(named).digest('base64url').slice(0, 16)
}
