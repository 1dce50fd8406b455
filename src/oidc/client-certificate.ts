// The certificate that this client shows to the provider (RFC 8705). Its files are rotated under a running process: they are looked at
// again, and a new pair counts once both halves are there.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { CertificatePair, ClientCertificateConfig } from '../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import { seconds } from '../time.ts'

export interface ClientCertificate {
  /** The newest usable pair: the same object for as long as the files say the same. Never throws. */
  current(): CertificatePair
  /** What is wrong with it now: one line. */
  concern(): string | undefined
}

/** Each look reads two small files, when the provider is asked something. */
const lookEveryMs = seconds(10)

type Trouble = 'unreadable' | 'not_a_pair' | 'expired'

const texts: Readonly<Record<Trouble, string>> = {
  unreadable:
    'the client certificate cannot be read again: the one of before is shown on; check clientCertPath and clientKeyPath',
  not_a_pair: 'clientCertPath and clientKeyPath do not belong together: the pair of before is shown on until they do',
  expired: 'the client certificate has expired or is not valid yet: the provider will refuse it; renew clientCertPath',
}

export function createClientCertificate(
  { first, read }: ClientCertificateConfig,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): ClientCertificate {
  let pair = first
  let lookedAt = -Infinity
  let told: Trouble | undefined

  function look(): Trouble | undefined {
    let found
    try {
      found = read()
    } catch {
      return 'unreadable'
    }
    if (found.cert === pair.cert && found.key === pair.key) return undefined
    if (!belongTogether(found)) return 'not_a_pair'
    pair = found
    logger.info({ event: 'client_certificate_changed' }, 'a new client certificate is shown to the provider')
    return undefined
  }

  function tell(trouble: Trouble | undefined): void {
    // Once, and again when it was well in between.
    if (trouble !== undefined && trouble !== told)
      logger.warn({ event: 'client_certificate_unusable', reason: trouble }, texts[trouble])
    told = trouble
  }

  return {
    current() {
      const now = clock()
      if (now - lookedAt >= lookEveryMs || now < lookedAt) {
        lookedAt = now
        tell(look() ?? (isValid(pair, now) ? undefined : 'expired'))
      }
      return pair
    },
    concern: () => (isValid(pair, clock()) ? undefined : texts.expired),
  }
}

/** A file that is being written is no certificate, either. */
function belongTogether({ cert, key }: CertificatePair): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

function isValid({ cert }: CertificatePair, now: number): boolean {
  const { validFrom, validTo } = new X509Certificate(cert)
  return Date.parse(validFrom) <= now && now < Date.parse(validTo)
}
