import { originalRequest } from '../../src/access/canonical.ts'
import type { Identity, OriginalRequest } from '../../src/access/access.ts'
import type { AccessConfig, Requirement, RuleConfig } from '../../src/config/config.ts'
import type { Claims } from '../../src/oidc/provider.ts'

/** Nothing limited, nothing public: a test names what it is about. */
export const anAccess = (given: Partial<AccessConfig> = {}): AccessConfig => ({
  excludedURLs: [],
  allowedUsers: [],
  allowedUserDomains: [],
  allowedRolesAndGroups: [],
  userIdentifierClaim: 'email',
  groupClaimName: 'groups',
  roleClaimName: 'roles',
  requireVerifiedEmail: false,
  rules: [],
  headers: [],
  ignoredExtensions: [],
  allowedRedirectHosts: [],
  ...given,
})

export const aRule = (given: Partial<RuleConfig> = {}): RuleConfig => ({
  host: undefined,
  path: undefined,
  methods: undefined,
  networks: undefined,
  policy: 'login',
  passesPreflight: false,
  require: undefined,
  ...given,
})

export const aRequirement = (given: Partial<Requirement> = {}): Requirement => ({
  users: undefined,
  providers: undefined,
  scopes: undefined,
  domains: undefined,
  groups: undefined,
  roles: undefined,
  claims: undefined,
  acr: undefined,
  maxAgeMs: undefined,
  ...given,
})

export const anIdentity = (claims: Claims = { email: 'alice@example.com' }): Identity => ({
  subject: 'subject-1',
  issuer: 'https://provider.example',
  claims,
})

/** `GET https://app.example.com/path?query`, or with a method in front: `POST https://...`. */
export function aRequestFor(text: string): OriginalRequest {
  const [, method = 'GET', scheme = 'https', host = '', target = '/'] =
    /^(?:([A-Za-z]+) )?(?:(https?):\/\/([^/]*))?(\/.*)$/s.exec(text) ?? []
  return originalRequest({ method, scheme, host: host === '' ? 'app.example.com' : host, target })
}
