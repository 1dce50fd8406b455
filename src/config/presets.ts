// What is known of providers, as data: options that the operator need not look up. Whatever is written counts; a preset fills in what is
// not, and lets nobody in whom the same options, written out, would not. What a provider does that is no option of ours is in
// oidc/quirks.ts, by its issuer.

interface Known {
  readonly providerURL?: string
  readonly scopes?: readonly string[]
  readonly claimsFrom?: readonly ('idToken' | 'userinfo' | 'accessToken')[]
  readonly userIdentifierClaim?: string
  readonly groupClaimName?: string
  readonly roleClaimName?: string
  readonly graphURL?: string
}

interface Preset extends Known {
  /** What people read on the sign-in page. */
  readonly title: string
  /** What its providerURL looks like, where each has another one. */
  readonly example?: string
}

const usual = ['openid', 'profile', 'email']
const offline = [...usual, 'offline_access']

export const presets = {
  google: { title: 'Google', providerURL: 'https://accounts.google.com' },
  entra: {
    title: 'Microsoft',
    example: 'https://login.microsoftonline.com/TENANT-ID/v2.0',
    scopes: offline,
    // `email` is what anybody's administrator wrote, and often missing.
    userIdentifierClaim: 'preferred_username',
    graphURL: 'https://graph.microsoft.com',
  },
  keycloak: {
    title: 'Keycloak',
    example: 'https://HOST/realms/REALM',
    // Roles are in the access token alone unless a mapper says otherwise.
    claimsFrom: ['idToken', 'userinfo', 'accessToken'],
    roleClaimName: 'realm_access.roles',
  },
  auth0: { title: 'Auth0', example: 'https://TENANT.auth0.com/', scopes: offline },
  okta: { title: 'Okta', example: 'https://ORGANISATION.okta.com', scopes: [...offline, 'groups'] },
  cognito: {
    title: 'Amazon Cognito',
    example: 'https://cognito-idp.REGION.amazonaws.com/POOL-ID',
    groupClaimName: 'cognito:groups',
  },
  gitlab: { title: 'GitLab', providerURL: 'https://gitlab.com' },
  zitadel: {
    title: 'Zitadel',
    example: 'https://INSTANCE.zitadel.cloud',
    scopes: offline,
    roleClaimName: 'urn:zitadel:iam:org:project:roles',
  },
} satisfies Readonly<Record<string, Preset>>

export type PresetName = keyof typeof presets
// The keys are the names.
export const presetNames = Object.keys(presets) as PresetName[]

/** These options, with what the preset knows of those that are not given. */
export function withPreset<Options extends { readonly preset?: PresetName | undefined }>(
  options: Options,
  isGiven: (option: string) => boolean,
): Options {
  const { preset } = options
  if (preset === undefined) return options
  const { title: _, example: __, ...known }: Preset = presets[preset]
  return { ...options, ...Object.fromEntries(Object.entries(known).filter(([option]) => !isGiven(option))) }
}

/** What the providerURL of this preset looks like. */
export const exampleOf = (preset: PresetName | undefined): string | undefined => {
  const known: Preset | undefined = preset && presets[preset]
  return known?.example
}
