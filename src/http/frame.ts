// The answer to the provider's frame: nothing to see, and in nobody else's frame.
import type { HttpResponse } from './http-response.ts'

/** `origins`: of the pages that may show it. No `X-Frame-Options`: it knows no origins, and would forbid them all. */
export const frame = (origins: readonly string[], cookies: readonly string[]): HttpResponse => ({
  status: 200,
  headers: {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; frame-ancestors ${origins.join(' ')}; sandbox`,
    // Both words are in section 2 of the specification: a kept answer would log nobody out.
    'cache-control': 'no-cache, no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  },
  cookies,
  body: '<!doctype html><title>Signed out</title>\n',
})
