// An option by its path in the block, in lower case.
import { type Found, textOf } from '../found.ts'

export type Take = (path: string) => Found | undefined

/** `ClientId`, or `ClientIdEnv` with the name of a variable. */
export function named(take: Take, path: string): Found | undefined {
  const direct = take(path)
  const inEnvironment = take(`${path}env`)
  return (
    direct ??
    (inEnvironment === undefined ? undefined : { ...inEnvironment, value: `\${${textOf(inEnvironment.value) ?? ''}}` })
  )
}
