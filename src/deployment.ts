import { createHash } from 'node:crypto'
import type { Config } from './config/config.ts'

/**
 * Names what belongs together: replicas of one provider, one client and one key prefix. Sessions, passes, flows, notes and the
 * record of withdrawals are bound to it, so that a second deployment with the same key, even on the same Redis, honours none of
 * the first one's. 16 characters, base64url.
 */
export function deploymentScope({ providers, redis }: Pick<Config, 'providers' | 'redis'>): string {
  // Where each has a name, sessions are bound to theirs one by one: another one more, or one less, is no reason to log in again.
  const [{ id, client: provider }] = providers
  if (id !== undefined) return digest(['providers', redis.keyPrefix])

  // One replica's file may have the slash at the end and another one's not: they mean the same provider.
  // A client that is registered by us has no id yet, and another one later: no id at all is nobody else's.
  const clientID = provider.registration === undefined ? provider.clientID : null
  return digest([provider.providerURL.replace(/\/+$/, ''), clientID, redis.keyPrefix])
}

const digest = (named: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(named)).digest('base64url').slice(0, 16)
