// The programs that a configuration can come from; the command line needs their names and nothing more.

export const sourceNames = [
  'traefikoidc',
  'oauth2-proxy',
  'traefik-oidc-auth',
  'traefik-forward-auth',
  'ingress-nginx',
] as const
export type SourceName = (typeof sourceNames)[number]
