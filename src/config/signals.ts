// What the provider may tell us unasked: back-channel and front-channel logout, and the security events of a transmitter.
import type { SharedSignalsConfig, SignalsConfig } from './config.ts'
import { secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import { isLoopback } from './network.ts'
import type { Path } from './problems.ts'

export function signalsConfig(checks: Checks): SignalsConfig {
  const { settings, warn } = checks
  const { enableBackchannelLogout, enableFrontchannelLogout } = settings
  for (const [given, isOn, name] of [
    [settings.backchannelLogoutURL, enableBackchannelLogout, 'Backchannel'],
    [settings.frontchannelLogoutURL, enableFrontchannelLogout, 'Frontchannel'],
  ] as const) {
    if (given !== undefined && !isOn)
      warn([`${name.toLowerCase()}LogoutURL`], `has no effect without enable${name}Logout: true`)
  }
  return {
    backChannelLogout: enableBackchannelLogout,
    frontChannelLogout: enableFrontchannelLogout,
    sharedSignals: sharedSignalsConfig(checks),
  }
}

const at = (name: string): Path => ['sharedSignals', name]

function sharedSignalsConfig(checks: Checks): SharedSignalsConfig | undefined {
  const { settings, refuse, warn, isGiven } = checks
  const { transmitter, discoveryURL, jwksURI, audiences, endOnCredentialChange } = settings.sharedSignals
  if (transmitter === undefined) {
    const useless = ['discoveryURL', 'jwksURI', 'audiences', 'bearerToken', 'endOnCredentialChange'].find((name) =>
      isGiven(at(name)),
    )
    // Broken by itself, it has been told already.
    if (useless !== undefined && !isGiven(at('transmitter')))
      warn(at(useless), 'has no effect without sharedSignals.transmitter: nobody is listened to')
    return undefined
  }
  if (/[?#]/.test(transmitter)) refuse(at('transmitter'), 'must not have a query: it is the transmitter’s issuer')
  else if (/\/\.well-known(?:\/|$)/.test(transmitter))
    refuse(
      at('transmitter'),
      'must be the issuer alone: leave out /.well-known/ssf-configuration, which is added to it',
    )
  for (const [name, url] of Object.entries({ transmitter, discoveryURL, jwksURI })) {
    if (url !== undefined) checkScheme(checks, at(name), new URL(url))
  }
  if (discoveryURL !== undefined && jwksURI !== undefined)
    warn(at('discoveryURL'), 'has no effect beside sharedSignals.jwksURI, which says where the keys are')
  if (audiences.length === 0)
    refuse(
      [at('audiences'), at('transmitter')],
      'is missing; it is what the stream’s `aud` says, as the transmitter shows it (a client’s id, or an address of ours)',
    )
  const bearerToken = secretText(checks, at('bearerToken'), settings.sharedSignals.bearerToken)
  if (bearerToken !== undefined && !/^[\x21-\x7e]+$/.test(bearerToken))
    refuse(at('bearerToken'), 'has characters that a header cannot hold; `openssl rand -hex 32` makes a good one')
  return { transmitter, discoveryURL, jwksURI, audiences, bearerToken, endOnCredentialChange }
}

function checkScheme({ settings, refuse, warn }: Checks, path: Path, { protocol, hostname }: URL): void {
  if (protocol === 'https:' || isLoopback(hostname)) return
  if (settings.allowInsecureProvider) warn(path, 'is plain http: who is on the way can end or keep anybody’s session')
  else
    refuse(
      [path, ['allowInsecureProvider']],
      'must be https (http only on loopback, or with allowInsecureProvider: true)',
    )
}
