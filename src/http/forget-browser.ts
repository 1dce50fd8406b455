import type { HostCookies } from './browser-cookies.ts'
import type { EndpointRequest } from './endpoint-request.ts'

/** What deletes everything of ours in a browser. */
export const forgetBrowser = (
  { headers }: Pick<EndpointRequest, 'headers'>,
  cookies: HostCookies,
  passes: boolean,
): string[] => [
  cookies.expireTicket(),
  ...(passes ? [cookies.expirePass()] : []),
  ...cookies.flows(headers.cookie).map(([slot]) => cookies.expireFlow(slot)),
]
