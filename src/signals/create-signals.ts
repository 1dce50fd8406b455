// The ways on which a provider speaks to this service, as the configuration has them: parts list of this room.
import type { ReplayDetection } from '../cache/replay-detection.ts'
import type { Config } from '../config/config.ts'
import type { Providers } from '../oidc/providers.ts'
import type { Transmitter } from '../oidc/transmitter.ts'
import type { Runtime } from '../runtime.ts'
import type { EndSelected, RefreshSelected } from '../session/selection.ts'
import { createBackChannelLogout, type BackChannelLogout } from './backchannel-logout.ts'
import { createFrontChannelLogout, type FrontChannelLogout } from './frontchannel-logout.ts'
import { createSecurityEvents, type SecurityEvents } from './security-events.ts'
import { createReceive, type Receive } from './signals.ts'

/** What is off is undefined. */
export interface Signals {
  readonly backChannelLogout: BackChannelLogout | undefined
  readonly frontChannelLogout: FrontChannelLogout | undefined
  readonly securityEvents: SecurityEvents | undefined
  readonly receive: Receive
  /** Cuts what is still under way. */
  stop(): void
}

export interface SelectedSessions {
  readonly endSelected: EndSelected
  readonly refreshSelected: RefreshSelected
}

export function createSignals(deps: {
  config: Config
  providers: Pick<Providers, 'all' | 'readLogoutToken'>
  /** Where `config.signals.sharedSignals` is given. */
  transmitter: Transmitter | undefined
  selected: SelectedSessions
  used: ReplayDetection
  runtime: Pick<Runtime, 'clock' | 'logger' | 'metrics'>
}): Signals {
  const { config, providers, transmitter, used } = deps
  const { clock, logger, metrics } = deps.runtime
  const { backChannelLogout, frontChannelLogout, sharedSignals } = config.signals
  const { clockSkewMs } = config.provider
  const isIssuer = (issuer: string) => providers.all.some(({ provider }) => provider.isIssuer(issuer))
  const { disableReplayDetection } = config.tokens
  const common = { ...deps.selected, used, disableReplayDetection, clockSkewMs, clock }
  return {
    backChannelLogout: backChannelLogout ? createBackChannelLogout({ ...common, providers }) : undefined,
    frontChannelLogout: frontChannelLogout ? createFrontChannelLogout({ ...common, isIssuer }) : undefined,
    securityEvents:
      sharedSignals &&
      transmitter &&
      createSecurityEvents({
        ...common,
        transmitter,
        bearerToken: sharedSignals.bearerToken,
        issuer: sharedSignals.transmitter,
        isProvider: isIssuer,
        providerIssuer: isIssuer(sharedSignals.transmitter) ? sharedSignals.transmitter : config.provider.providerURL,
        endingChanges: sharedSignals.endOnCredentialChange,
        sessionMaxAgeMs: config.session.maxAgeMs,
        logger,
      }),
    receive: createReceive({ metrics, logger, clock }),
    stop: () => transmitter?.stop(),
  }
}
