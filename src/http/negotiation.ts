import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a person is going somewhere, so that a redirect or a page is of use. `Sec-Fetch-Mode` is the browser's
 * own word and wins; without it, a GET or HEAD that asks for HTML.
 */
export function isNavigation(method: string, headers: IncomingHttpHeaders): boolean {
  const mode = headers['sec-fetch-mode']
  if (mode !== undefined) return mode === 'navigate'
  if (isScript(headers['x-requested-with'])) return false
  return (method === 'GET' || method === 'HEAD') && wantsHTML(headers)
}

/** Libraries say `XMLHttpRequest`; an Android WebView names its app (`com.example.app`) on every request, navigations included. */
const isScript = (requestedWith: string | string[] | undefined): boolean =>
  /(?:^|[,\s])XMLHttpRequest(?:$|[,\s])/i.test(String(requestedWith ?? ''))

export const wantsHTML = (headers: IncomingHttpHeaders): boolean => headers.accept?.includes('text/html') ?? false
