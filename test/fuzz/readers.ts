// Everything that reads what a stranger sends, before anybody knows who it is, or what a person may choose of themselves (a name,
// a group) and a provider passes on. Each by the door that the service itself uses, so that what stands in front of it is measured
// too. What is slower here than its input is long lets one stranger hold up everybody.
import { answers, proxied } from './readers/answers.ts'
import { addressesOfLogins, cookies } from './readers/login.ts'
import type { Reader } from './readers/parts.ts'
import { claims, provider } from './readers/provider.ts'
import { request } from './readers/request.ts'
import { signals } from './readers/signals.ts'
import { operator, stored } from './readers/stored.ts'
import { tokens } from './readers/tokens.ts'

export const readers: readonly Reader[] = [
  ...request,
  ...cookies,
  ...addressesOfLogins,
  ...provider,
  ...claims,
  ...signals,
  ...tokens,
  ...answers,
  ...proxied,
  ...stored,
  ...operator,
]
