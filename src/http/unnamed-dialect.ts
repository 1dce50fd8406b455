import type { AccessConfig } from '../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import { warnOnce } from '../telemetry/once.ts'

/** Tells once that a recipe of oauth2-proxy's asked and none is named. Where there are no rules, none can be missed. */
export function createUnnamedDialectNotice(
  { rules, excludedURLs }: Pick<AccessConfig, 'rules' | 'excludedURLs'>,
  logger: Logger,
): () => void {
  if (rules.length + excludedURLs.length === 0) return () => {}
  return warnOnce(
    logger,
    { event: 'dialect_not_named', reason: 'no_oauth2_proxy_dialect' },
    'asked at /oauth2/auth without knowing which of its headers the proxy sets, so rules cannot be followed there: set ' +
      'forwardAuth.oauth2ProxyDialect, or let the proxy ask at /auth/…',
  )
}
