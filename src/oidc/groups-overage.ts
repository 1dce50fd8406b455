// Entra ID leaves groups out of a token that has no room for them (more than 200, or more than 6 in some flows) and points elsewhere
// (`_claim_names`, OpenID Connect Core 5.6.2; `hasgroups`). Its pointer is to an interface that Microsoft has taken down: Graph is asked
// instead, at the operator's address and no other, with the person's own access token.
import { ProviderUnavailable } from '../errors.ts'
import { asked } from './faults.ts'
import { isObject, type JSONObject } from './json.ts'
import { jsonObject, type Transport } from './transport.ts'

/** Its groups are somewhere else. */
export const isOverage = ({ groups, hasgroups, _claim_names: names }: JSONObject): boolean =>
  groups === undefined &&
  (hasgroups === true || hasgroups === 'true' || (isObject(names) && Object.hasOwn(names, 'groups')))

/** Graph gives 11,000 at most, of 36 characters each. */
const maxBytes = 1024 * 1024

/**
 * The ids of the groups that the person is in, directly or not. Throws ProviderUnavailable: of somebody whose groups nobody can say
 * nothing is known, least of all that they are in none.
 */
export async function fetchGroups(
  { graphURL, accessToken }: { readonly graphURL: string; readonly accessToken: string },
  transport: Transport,
): Promise<JSONObject> {
  const request = {
    operation: 'groups',
    url: new URL(`${graphURL.replace(/\/$/, '')}/v1.0/me/getMemberGroups`),
    headers: { accept: 'application/json', authorization: `Bearer ${accessToken}` },
    json: { method: 'POST', text: '{"securityEnabledOnly":false}' },
    maxBytes,
  } as const
  const answer = await transport.send(request)
  const groups = answer.status === 200 ? jsonObject(answer)?.['value'] : undefined
  if (!Array.isArray(groups) || !groups.every((id: unknown) => typeof id === 'string')) {
    const remedy =
      answer.status === 401 || answer.status === 403
        ? ': its access tokens have to be for Graph (no scope of another API) and allow it (User.Read and GroupMember.Read.All)'
        : ', and no list of groups'
    throw new ProviderUnavailable(`${asked(request)}: status ${answer.status}${remedy}`)
  }
  return { groups }
}
