// Every option: its name, type, unit, bounds and default, in the operator's words. The defaults stand here and nowhere else
// (the test of config.example.yaml keeps the reference honest). What options mean together is in the files named after the
// slices of Config: server.ts, provider.ts, session.ts, access.ts, bearer.ts, redis.ts, outage.ts, peers.ts, admin.ts.
import { z } from 'zod'
import { forwardAuthContractNames, oauth2ProxyDialectNames } from './contracts.ts'
import { ignoredOptions } from './ignored.ts'
import {
  address,
  cookieDomain,
  hostName,
  hostPattern,
  listenAddress,
  mailDomain,
  origin,
  pageOrigin,
  proxyRange,
  ruleHost,
  webURL,
} from './network.ts'
import { group, leaf, listOf, listOptions, optional, structured, withDefault, Wrong, type Reader } from './option.ts'
import { presetNames } from './presets.ts'
import { redisOptions } from './schema-redis.ts'
import { upstreamOptions } from './schema-upstreams.ts'
import { secret } from './secrets.ts'
import { ownRoute, pathExtension, pathPattern, plainPath } from './url-path.ts'
import {
  acrValue,
  block,
  choice,
  duration,
  durationOrOff,
  flag,
  integer,
  integerOrOff,
  scalar,
  scopeNames,
  text,
} from './values.ts'

const off = () => withDefault(false, leaf(flag))
const on = () => withDefault(true, leaf(flag))
const texts = () => listOf(leaf(text))
const timeout = duration('1ms', '1h')
const nonEmpty = (list: z.ZodType<string[]>) =>
  list.pipe(z.array(z.string()).min(1, 'is an empty list; name at least one, or leave it out'))
const someTexts = () => nonEmpty(texts())

/** Each process is a replica by itself: what is told of it, and how it stops, is its own. */
const oneProcess: Reader<number> = (value) =>
  integer(1, 1)(value) === 1
    ? 1
    : new Wrong('must be 1: run several replicas in place of several processes (docs/operations.md)')

const serverOptions = {
  listen: withDefault('0.0.0.0:4180', leaf(listenAddress)),
  metrics: group({ listen: optional(leaf(listenAddress)) }),
  trustedProxies: withDefault(['127.0.0.0/8', '::1/128'], listOf(leaf(proxyRange))),
  publicURL: optional(leaf(origin)),
  drainDelay: withDefault('5s', leaf(duration('0s', '10m'))),
  shutdownTimeout: withDefault('10s', leaf(duration('0s', '1h'))),
  workers: withDefault(1, leaf(oneProcess)),
  logLevel: withDefault('info', leaf(choice(['debug', 'info', 'warn', 'error']))),
  secretsDir: withDefault('/var/run/secrets/foregate', leaf(text)),
}

/** How providers are reached: one for all. */
const providersOptions = {
  caCertPath: optional(leaf(text)),
  caCertPEM: optional(leaf(block)),
  allowInsecureProvider: off(),
  clockSkew: withDefault('60s', leaf(duration('0s', '10m'))),
  providerTimeout: withDefault('5s', leaf(timeout)),
  httpProxy: optional(leaf(secret), { secret: true, inLowerCase: true }),
  httpsProxy: optional(leaf(secret), { secret: true, inLowerCase: true }),
  noProxy: withDefault([], texts(), { inLowerCase: true }),
}

/** Of each. */
const providerOptions = {
  preset: optional(leaf(choice(presetNames))),
  providerURL: optional(leaf(webURL)),
  discoveryURL: optional(leaf(webURL)),
  allowedTenants: optional(someTexts()),
  clientID: optional(leaf(text)),
  clientSecret: optional(leaf(secret), { secret: true }),
  clientAuthMethod: withDefault(
    'client_secret_basic',
    leaf(
      choice([
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'tls_client_auth',
        'self_signed_tls_client_auth',
        'none',
      ]),
    ),
  ),
  clientAssertionPrivateKey: optional(leaf(secret), { secret: true }),
  clientAssertionPrivateKeyPath: optional(leaf(text)),
  clientAssertionKeyID: optional(leaf(text)),
  clientAssertionAlg: withDefault(
    'RS256',
    leaf(choice(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])),
  ),
  clientCertPath: optional(leaf(text)),
  clientKeyPath: optional(leaf(text)),
  scopes: withDefault(['openid', 'profile', 'email'], listOf(leaf(text))),
  overrideScopes: off(),
  audience: optional(leaf(text)),
  resource: optional(leaf(text)),
  strictAudienceValidation: off(),
  enablePKCE: on(),
  dpop: withDefault('off', leaf(choice(['off', 'auto', 'require']))),
  pushedAuthorizationRequests: withDefault('auto', leaf(choice(['auto', 'require', 'off']))),
  allowMissingNonce: off(),
  claimsFrom: withDefault(['idToken', 'userinfo'], listOf(leaf(choice(['idToken', 'userinfo', 'accessToken'])))),
  extraAuthParams: withDefault({}, structured(z.record(z.string(), leaf(scalar)))),
  insecureSkipVerify: off(),
  revocationURL: optional(leaf(webURL)),
  oidcEndSessionURL: optional(leaf(webURL)),
  dynamicClientRegistration: group({
    enabled: off(),
    initialAccessToken: optional(leaf(secret), { secret: true }),
    registrationEndpoint: optional(leaf(webURL)),
    persistCredentials: off(),
    credentialsFile: optional(leaf(text)),
    storageBackend: optional(leaf(choice(['auto', 'file', 'redis']))),
    redisKeyPrefix: optional(leaf(text)),
    clientMetadata: optional(structured(z.record(z.string(), z.unknown()))),
  }),
  introspectionURL: optional(leaf(webURL)),
  graphURL: optional(leaf(webURL)),
}

const pathOptions = {
  pathPrefix: withDefault('/oauth2', leaf(plainPath)),
  // Below pathPrefix, unless given: see server.ts.
  callbackURL: optional(leaf(ownRoute('/oauth2/callback'))),
  logoutURL: optional(leaf(ownRoute('/oauth2/logout'))),
  postLogoutRedirectURI: withDefault('/', leaf(text)),
  enableBackchannelLogout: off(),
  backchannelLogoutURL: optional(leaf(ownRoute('/oauth2/backchannel_logout'))),
  enableFrontchannelLogout: off(),
  frontchannelLogoutURL: optional(leaf(ownRoute('/oauth2/frontchannel_logout'))),
  sharedSignals: group({
    transmitter: optional(leaf(webURL)),
    discoveryURL: optional(leaf(webURL)),
    jwksURI: optional(leaf(webURL)),
    audiences: withDefault([], texts()),
    bearerToken: optional(leaf(secret), { secret: true }),
    endOnCredentialChange: withDefault(
      ['revoke', 'update', 'delete'],
      listOf(leaf(choice(['create', 'revoke', 'update', 'delete']))),
    ),
  }),
}

const sessionOptions = {
  sessionEncryptionKey: optional(listOf(leaf(secret)), { secret: true }),
  // 400 days is the longest that browsers keep a cookie (RFC 6265bis).
  sessionMaxAge: withDefault('24h', leaf(duration('1s', '400d'))),
  sessionIdleTimeout: withDefault('off', leaf(durationOrOff('1s', '400d'))),
  refreshGracePeriodSeconds: withDefault(60, leaf(duration('0s', '1d'))),
  session: group({
    maxPerUser: withDefault('off', leaf(integerOrOff(1, 1_000))),
    handoverHosts: withDefault([], listOf(leaf(hostPattern))),
  }),
  cookieName: optional(leaf(text)),
  cookiePrefix: withDefault('foregate_', leaf(text)),
  cookieDomain: optional(leaf(cookieDomain)),
  cookiePath: withDefault('/', leaf(plainPath)),
  cookieSameSite: withDefault('lax', leaf(choice(['lax', 'strict', 'none']))),
  forceHTTPS: on(),
}

const claimValues = z.preprocess(
  (value) => (Array.isArray(value) ? value : [value]),
  z.array(leaf(scalar)).min(1, 'is an empty list; name at least one value'),
)

const rules = () =>
  structured(
    z.array(
      z.strictObject({
        host: leaf(ruleHost).optional(),
        path: leaf(pathPattern).optional(),
        methods: someTexts().optional(),
        networks: someTexts().optional(),
        policy: leaf(choice(['public', 'login', 'deny'])).prefault('login'),
        preflight: leaf(choice(['refuse', 'pass'])).prefault('refuse'),
        require: z
          .strictObject({
            users: someTexts().optional(),
            domains: nonEmpty(listOf(leaf(mailDomain))).optional(),
            groups: someTexts().optional(),
            roles: someTexts().optional(),
            claims: z.record(z.string(), claimValues).optional(),
            scopes: nonEmpty(listOf(leaf(scopeNames))).optional(),
            acr: nonEmpty(listOf(leaf(acrValue))).optional(),
            maxAge: leaf(duration('1s', '400d')).optional(),
            providers: someTexts().optional(),
          })
          .refine(
            (parts) => Object.keys(parts).length > 0,
            'is empty; name users, domains, groups, roles, claims, scopes, acr, maxAge or providers, or leave it out',
          )
          .optional(),
      }),
    ),
  )

const perMinute = (usual: number) => withDefault(usual, leaf(integer(1, 1_000_000)))

const header = z.strictObject({
  name: leaf(text),
  template: leaf(block).optional(),
  value: leaf(block).optional(),
})

const accessOptions = {
  excludedURLs: withDefault([], listOf(leaf(pathPattern))),
  allowedUsers: withDefault([], texts()),
  allowedUserDomains: withDefault([], listOf(leaf(mailDomain))),
  allowedRolesAndGroups: withDefault([], texts()),
  userIdentifierClaim: withDefault('email', leaf(text)),
  groupClaimName: withDefault('groups', leaf(text)),
  roleClaimName: withDefault('roles', leaf(text)),
  requireVerifiedEmail: off(),
  rules: withDefault([], rules()),
  headers: withDefault([], structured(z.array(header))),
  ignoredExtensions: withDefault([], listOf(leaf(pathExtension))),
  allowedRedirectHosts: withDefault([], listOf(leaf(hostPattern))),
  cors: group({ allowedOrigins: withDefault([], listOf(leaf(pageOrigin))) }),
  rateLimit: group({
    enabled: on(),
    loginsPerMinute: perMinute(300),
    bearerFailuresPerMinute: perMinute(300),
    adminPerMinute: perMinute(30),
  }),
}

/** One of `providers`: what is left out of people and claims is as at the top. */
export const namedProviderShape = {
  ...providerOptions,
  title: optional(leaf(text)),
  logo: optional(leaf(text)),
  hosts: withDefault([], listOf(leaf(ruleHost))),
  allowedUsers: optional(texts()),
  allowedUserDomains: optional(listOf(leaf(mailDomain))),
  allowedRolesAndGroups: optional(texts()),
  requireVerifiedEmail: optional(leaf(flag)),
  userIdentifierClaim: optional(leaf(text)),
  groupClaimName: optional(leaf(text)),
  roleClaimName: optional(leaf(text)),
  bearerAudiences: optional(someTexts()),
}

const severalProviders = {
  providers: withDefault({}, structured(z.record(z.string(), z.strictObject(namedProviderShape)))),
}

const tokenOptions = {
  disableReplayDetection: off(),
  allowOpaqueTokens: off(),
  requireTokenIntrospection: off(),
  // The plugin's name for bearer.enabled.
  enableBearerAuth: off(),
  bearer: group({
    enabled: off(),
    audiences: withDefault([], texts()),
    oneTime: off(),
    passAuthorization: on(),
    issuers: withDefault(
      [],
      structured(
        z.array(z.strictObject({ issuer: leaf(webURL), audiences: someTexts(), jwksURI: leaf(webURL).optional() })),
      ),
    ),
  }),
}

const serviceOptions = {
  forwardAuth: group({
    contract: withDefault('traefik', leaf(choice(forwardAuthContractNames))),
    oauth2ProxyDialect: withDefault('none', leaf(choice(oauth2ProxyDialectNames))),
    allowStatus: withDefault(200, leaf(integer(200, 299))),
    renewPass: off(),
  }),
  identityToken: group({ enabled: off(), onAuth: off(), issuer: optional(leaf(text)) }),
  upstreams: withDefault([], structured(z.array(upstreamOptions(rules())))),
  outage: group({
    maxStale: withDefault('10m', leaf(duration('0s', '30d'))),
    pass: on(),
    passMaxAge: withDefault('8h', leaf(duration('1s', '30d'))),
    journalSize: withDefault(10_000, leaf(integer(0, 10_000_000))),
    storeDeadline: withDefault('250ms', leaf(duration('1ms', '1m'))),
    replay: withDefault('local', leaf(choice(['local', 'closed']))),
    spoolDir: optional(leaf(text)),
  }),
  memory: group({ maxMB: withDefault(256, leaf(integer(1, 1_048_576))) }),
  redis: group(redisOptions),
  admin: group({
    listen: withDefault('127.0.0.1:9181', leaf(listenAddress)),
    hosts: withDefault([], listOf(leaf(hostName))),
    token: optional(leaf(secret), { secret: true }),
    tls: group({ certFile: optional(leaf(text)), keyFile: optional(leaf(text)), clientCAFile: optional(leaf(text)) }),
  }),
  peers: group({
    addresses: withDefault([], listOf(leaf(address))),
    dns: optional(leaf(address)),
    listen: withDefault('0.0.0.0:4181', leaf(listenAddress)),
  }),
  pages: group({
    name: withDefault('Foregate', leaf(text)),
    logo: optional(leaf(text)),
    accentColor: optional(leaf(text)),
    skipSignIn: off(),
  }),
}

type IgnoredName = keyof typeof ignoredOptions
// fromEntries forgets the keys; they are those of the table it was made from.
const pluginOptions = Object.fromEntries(
  Object.entries(ignoredOptions).map(([name, why]) => [name, optional(z.unknown(), { ignored: why })]),
) as Record<IgnoredName, z.ZodOptional<z.ZodUnknown>>

export const optionShape = {
  ...serverOptions,
  ...providerOptions,
  ...providersOptions,
  ...severalProviders,
  ...pathOptions,
  ...sessionOptions,
  ...accessOptions,
  ...tokenOptions,
  ...serviceOptions,
  ...pluginOptions,
}

export const settingsSchema = z.strictObject(optionShape)

/** Converted by option (durations in milliseconds), not yet checked together. */
export type Settings = z.output<typeof settingsSchema>
export type RuleSettings = Settings['rules'][number]

export const allOptions = listOptions(optionShape)
