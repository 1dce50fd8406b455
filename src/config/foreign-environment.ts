// Variables of oauth2-proxy in our environment: they are not read. Where one decides who may pass and nothing of ours says so, the
// service would be more open than its operator believes: that is refused. Of the others it is said what they are here.
import { environmentName } from './environment.ts'
import type { Environment } from './interpolate.ts'
import { moveWords, oauth2ProxyMove } from './moving.ts'
import type { Move } from './moving.ts'
import type { Path } from './problems.ts'

export interface ForeignVariable {
  readonly name: string
  readonly message: string
  /** Nothing of ours says what it says. */
  readonly isUnsaid: boolean
  readonly narrows: boolean
}

/** Only those that oauth2-proxy knows: a Kubernetes Service of that name puts others of the same beginning everywhere. */
export function foreignVariables(env: Environment, isGiven: (path: Path) => boolean): readonly ForeignVariable[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    const move = name.startsWith('OAUTH2_PROXY_') && value !== '' ? oauth2ProxyMove(name) : undefined
    if (move === undefined) return []
    const isUnsaid = move.option !== undefined && !isGiven(move.option.split('.'))
    // Everybody's domain is what an empty list is here.
    const narrows = move.narrows === true && value.trim() !== '*'
    return [{ name, message: `${moveWords('oauth2-proxy', move)}${variableOf(move)}`, isUnsaid, narrows }]
  })
}

function variableOf({ option }: Move): string {
  return option === undefined ? '' : `; its variable is ${environmentName(option.split('.'))}`
}
