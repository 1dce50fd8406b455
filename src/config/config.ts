// What the service runs on: every option checked, converted (durations in milliseconds, sizes in bytes) and frozen.
// The file speaks the operator's words and units; `schema.ts` translates. A room is handed its own slice, never the whole.
import type { ForwardAuthContract, OAuth2ProxyDialect } from './contracts.ts'

export interface Config {
  readonly server: ServerConfig
  /** The first of them: the one at the top of the configuration, where there is one. */
  readonly provider: ProviderConfig
  /** All of them. */
  readonly providers: ProviderEntries
  readonly paths: PathsConfig
  readonly signals: SignalsConfig
  readonly session: SessionConfig
  readonly cookies: CookieConfig
  readonly access: AccessConfig
  readonly rateLimits: RateLimitsConfig
  readonly cors: CORSConfig
  readonly tokens: TokensConfig
  /** Undefined: nobody gets in with a token. */
  readonly bearer: BearerConfig | undefined
  readonly forwardAuth: ForwardAuthConfig
  readonly upstreams: readonly UpstreamConfig[]
  /** Undefined: applications get none. */
  readonly identityToken: IdentityTokenConfig | undefined
  readonly outage: OutageConfig
  readonly memory: { readonly maxBytes: number }
  readonly redis: RedisConfig
  /** Undefined: replicas tell each other nothing directly. */
  readonly peers: PeersConfig | undefined
  /** Undefined: operators have no port for what they do. */
  readonly admin: AdminConfig | undefined
  readonly pages: PagesConfig
}

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ServerConfig {
  readonly listen: Address
  /** Absent: `/metrics` is served on the main port. Never absent in reverse-proxy mode: the main port is the applications'. */
  readonly metricsListen: Address | undefined
  /** Addresses and CIDR ranges whose forwarded headers count. Default: loopback only. */
  readonly trustedProxies: readonly string[]
  /** Origin (`https://auth.example.com`, no path) under which browsers reach our own pages. Absent: the request's own host. */
  readonly publicURL: string | undefined
  /** After the signal to stop: how long everything is served on, unready, until the proxies have noticed. */
  readonly drainDelayMs: number
  /** How long what is under way may take after that. */
  readonly shutdownTimeoutMs: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
}

export interface ProviderConfig {
  /** Issuer identifier, without trailing changes: compared with the discovery document exactly. */
  readonly providerURL: string
  /** Of an address for many organisations (Microsoft's): those whose people count, by their ids; `*`: any. Undefined: it is for one. */
  readonly tenants: readonly string[] | undefined
  /** Where the discovery document is, when not under `providerURL`. */
  readonly discoveryURL: string | undefined
  /** Empty where `registration` is to bring it. */
  readonly clientID: string
  readonly clientSecret: string | undefined
  readonly clientAuthMethod:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'self_signed_tls_client_auth'
    | 'none'
  /** `private_key_jwt`: PEM (PKCS #8), key id and algorithm. */
  readonly clientAssertion:
    { readonly privateKeyPEM: string; readonly keyID: string | undefined; readonly algorithm: string } | undefined
  /** Shown to the provider wherever it asks for one. */
  readonly clientCertificate: ClientCertificateConfig | undefined
  readonly registration: RegistrationConfig | undefined
  readonly scopes: readonly string[]
  readonly audience: string | undefined
  readonly strictAudienceValidation: boolean
  readonly enablePKCE: boolean
  /** Whether tokens are bound to a key of their session (RFC 9449). `auto`: where the provider says that it can. */
  readonly dpop: 'off' | 'auto' | 'require'
  /** RFC 9126. `auto`: where the provider requires it. */
  readonly pushedAuthorizationRequests: 'auto' | 'require' | 'off'
  /** An ID token without `nonce` is accepted (one with another never is). Only with PKCE. */
  readonly allowMissingNonce: boolean
  /** Where claims come from; the ID token is always the first, the others complete it in this order. */
  readonly claimsFrom: readonly ClaimsSource[]
  readonly extraAuthParams: Readonly<Record<string, string>>
  /** PEM certificates trusted beside the system's, for the provider only. */
  readonly caPEM: string | undefined
  readonly insecureSkipVerify: boolean
  readonly allowInsecureProvider: boolean
  readonly clockSkewMs: number
  readonly providerTimeoutMs: number
  readonly proxies: ProxiesConfig
  readonly revocationURL: string | undefined
  readonly endSessionURL: string | undefined
  readonly introspectionURL: string | undefined
  /** Microsoft Graph: asked for groups that an ID token has no room for. Undefined: they are none. */
  readonly graphURL: string | undefined
}

export type ProviderEntries = readonly [ProviderEntry, ...ProviderEntry[]]

/** A provider, and what is particular to its people. */
export interface ProviderEntry {
  /** What rules, addresses and log lines call it. */
  readonly name: string
  /**
   * What its sessions are bound to: provider and client, whatever they are called. Undefined: of the provider at the top, to which the
   * whole deployment is bound.
   */
  readonly id: string | undefined
  /** What people read, and see beside it (a data: URI or an https URL). */
  readonly title: string
  readonly logo: string | undefined
  /** The hosts that it is for, it and others that name them alone. Empty: all that no other one names. */
  readonly hosts: readonly string[]
  readonly client: ProviderConfig
  readonly lists: Pick<
    AccessConfig,
    'allowedUsers' | 'allowedUserDomains' | 'allowedRolesAndGroups' | 'requireVerifiedEmail'
  >
  /** Where the claims that options name are by another name there: ours -> its. */
  readonly claimNames: Readonly<Record<string, string>>
  /** What a token of it must be for. Undefined: what `bearer.audiences` says, of the one at the top; of others none counts. */
  readonly bearerAudiences: readonly string[] | undefined
}

/** Dynamic client registration (RFC 7591). */
export interface RegistrationConfig {
  /** Absent: as the provider's document says. */
  readonly endpoint: string | undefined
  readonly initialAccessToken: string | undefined
  readonly authMethod: ProviderConfig['clientAuthMethod']
  /** What is asked for (RFC 7591 section 2), as it is sent. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** PEM contents, not paths. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
}

export interface ClientCertificateConfig {
  /** As the files were at the start. */
  readonly first: CertificatePair
  /** As they are now. Throws when one cannot be read. */
  readonly read: () => CertificatePair
}

export type ClaimsSource = 'idToken' | 'userinfo' | 'accessToken'

export interface ProxiesConfig {
  /** Proxy for plain http, by URL; user and password may be in it. */
  readonly http: string | undefined
  readonly https: string | undefined
  /** Hosts that are reached directly: names (with everything below them), addresses, `host:port` or `*`. */
  readonly except: readonly string[]
}

export interface PathsConfig {
  /** Of everything that is ours and no application's; without a slash at its end. */
  readonly prefix: string
  readonly callback: string
  readonly logout: string
  /** Where the provider speaks to us, whether or not that is on. */
  readonly backChannelLogout: string
  readonly frontChannelLogout: string
  readonly securityEvents: string
  /** Absolute URL, or a path on the request's own host. */
  readonly postLogoutRedirectURI: string
}

/** What the provider may tell us unasked. */
export interface SignalsConfig {
  readonly backChannelLogout: boolean
  readonly frontChannelLogout: boolean
  /** Undefined: nobody's security events are received. */
  readonly sharedSignals: SharedSignalsConfig | undefined
}

/** What happened to a credential (CAEP 1.0, section 3.3). */
export type CredentialChange = 'create' | 'revoke' | 'update' | 'delete'

export interface SharedSignalsConfig {
  /** Its issuer identifier. */
  readonly transmitter: string
  /** Where its document is, when not where the specification has it. */
  readonly discoveryURL: string | undefined
  /** Where its keys are: no document is asked for. */
  readonly jwksURI: string | undefined
  readonly audiences: readonly string[]
  /** What it has to show; undefined: its signature is all. */
  readonly bearerToken: string | undefined
  /** The changes that end a person's sessions. */
  readonly endOnCredentialChange: readonly CredentialChange[]
}

export interface SessionConfig {
  /** At least 32 bytes each. The first seals, all open. */
  readonly encryptionKeys: readonly Buffer[]
  readonly maxAgeMs: number
  readonly idleTimeoutMs: number | undefined
  readonly refreshGraceMs: number
  /** The most sessions of one user; undefined: no bound. */
  readonly maxPerUser: number | undefined
  /** Patterns of hosts of other domains that get the session from `publicURL`. Not empty: there is one, and `/` is cookiePath. */
  readonly handoverHosts: readonly string[]
}

export interface CookieConfig {
  /** Session cookie's full name, `__Host-` or `__Secure-` included where it may be. Flow and pass cookies use `prefix`. */
  readonly sessionName: string
  readonly flowPrefix: string
  readonly passName: string
  readonly domain: string | undefined
  readonly path: string
  readonly sameSite: 'lax' | 'strict' | 'none'
  readonly forceHTTPS: boolean
}

export interface Requirement {
  readonly users: readonly string[] | undefined
  readonly domains: readonly string[] | undefined
  readonly groups: readonly string[] | undefined
  readonly roles: readonly string[] | undefined
  /** Dot path -> accepted values (any of them). */
  readonly claims: Readonly<Record<string, readonly string[]>> | undefined
  /** How they logged in: one of these `acr`, and how long ago at most. */
  readonly acr: readonly string[] | undefined
  readonly maxAgeMs: number | undefined
  /** One of these, by their names. */
  readonly providers: readonly string[] | undefined
  /** Of a token, all of them. */
  readonly scopes: readonly string[] | undefined
}

export interface RuleConfig {
  readonly host: string | undefined
  readonly path: string | undefined
  readonly methods: readonly string[] | undefined
  /** Addresses and CIDR ranges of clients. */
  readonly networks: readonly string[] | undefined
  readonly policy: 'public' | 'login' | 'deny'
  /** Preflights of listed origins go on to the application. */
  readonly passesPreflight: boolean
  /** Every given part must hold (users and domains are one part: either of them). */
  readonly require: Requirement | undefined
}

export interface HeaderConfig {
  readonly name: string
  /** Template: `{{.Claims.email}}`, `{{.AccessToken}}`, `{{.IDToken}}` (also `.IdToken`), `{{get .Claims "a.b"}}`, `{{default "x" .Claims.y}}`. */
  readonly template: string
}

export interface AccessConfig {
  readonly excludedURLs: readonly string[]
  readonly allowedUsers: readonly string[]
  readonly allowedUserDomains: readonly string[]
  readonly allowedRolesAndGroups: readonly string[]
  readonly userIdentifierClaim: string
  readonly groupClaimName: string
  readonly roleClaimName: string
  readonly requireVerifiedEmail: boolean
  readonly rules: readonly RuleConfig[]
  readonly headers: readonly HeaderConfig[]
  /** Lower case, without a dot; `*`: all. What the applications' routers drop at the end of a path. */
  readonly ignoredExtensions: readonly string[]
  readonly allowedRedirectHosts: readonly string[]
}

/** Per minute and client network. Infinity: no limit. */
export interface RateLimitsConfig {
  /** For each on its own: the sign-in page, the start, the callback, and the frame of a front-channel logout. */
  readonly loginsPerMinute: number
  readonly bearerFailuresPerMinute: number
  readonly adminPerMinute: number
}

export interface CORSConfig {
  /** Origins, as browsers write them, whose pages may read our refusals to their scripts. */
  readonly allowedOrigins: readonly string[]
}

export interface TokensConfig {
  readonly disableReplayDetection: boolean
}

export interface BearerConfig {
  /** What a token of the configured provider must be for; at least one. */
  readonly audiences: readonly string[]
  readonly issuers: readonly BearerIssuerConfig[]
  readonly oneTime: boolean
  /** What is no JWT counts if the provider says so (RFC 7662). */
  readonly allowsOpaqueTokens: boolean
  /** The provider is asked about JWTs as well. */
  readonly requiresIntrospection: boolean
  /** The application gets the Authorization header of a token that was let in. */
  readonly passAuthorization: boolean
}

export interface BearerIssuerConfig {
  readonly issuer: string
  readonly audiences: readonly string[]
  readonly jwksURI: string | undefined
}

export interface ForwardAuthConfig {
  readonly contract: ForwardAuthContract
  readonly allowStatus: number
  /** Whose recipe sends the subrequests at `/oauth2/auth`: what it sets is believed. `none`: nothing is. */
  readonly oauth2ProxyDialect: OAuth2ProxyDialect
  /** The proxy passes our Set-Cookie on with a 200 (Traefik: addAuthCookiesToResponse), so the pass may be renewed there. */
  readonly renewPass: boolean
}

export interface UpstreamConfig {
  readonly host: string | undefined
  /** Path prefix that ends at a segment boundary; `/` for all. */
  readonly path: string
  readonly url: string
  /** Trusted for its certificate, instead of the system's. */
  readonly caPEM: string | undefined
  /** What we show for ourselves, and its key. */
  readonly certPEM: string | undefined
  readonly keyPEM: string | undefined
  /** The name that its certificate must have; undefined: the host of `url`. */
  readonly serverName: string | undefined
  /** The application gets the browser's `Host`, rather than the one of `url`. */
  readonly passHost: boolean
  /** Origins beside the application's own whose pages may open WebSockets. */
  readonly allowedOrigins: readonly string[]
  readonly connectTimeoutMs: number
  /** For an answer's first byte. */
  readonly responseTimeoutMs: number
  /** Of an answer, or of a WebSocket, between two pieces of it; undefined: they may be silent for ever. */
  readonly idleTimeoutMs: number | undefined
  /** Requests and WebSockets at a time; undefined: any number. */
  readonly maxConnections: number | undefined
  /** Asked for by ourselves. Undefined: how it fares is known from the requests that it gets. */
  readonly health: { readonly path: string; readonly intervalMs: number } | undefined
  readonly rules: readonly RuleConfig[]
}

/** A signed JWT for applications about who asks. */
export interface IdentityTokenConfig {
  /** Its `iss`. */
  readonly issuer: string
  /** Also on the answers of the decision endpoints. */
  readonly onAuth: boolean
}

export interface OutageConfig {
  readonly maxStaleMs: number
  readonly pass: boolean
  readonly passMaxAgeMs: number
  readonly journalSize: number
  readonly storeDeadlineMs: number
  readonly replay: 'local' | 'closed'
  /** Directory for withdrawals that nobody else has, an absolute path. Absent: they end with the process. */
  readonly spoolDir: string | undefined
}

export interface RedisConfig {
  readonly mode: 'memory' | 'redis' | 'hybrid'
  readonly address: Address | undefined
  /** Path of a Unix socket, in place of the address. */
  readonly socketPath?: string | undefined
  readonly username: string | undefined
  /** Read again at each connect, so that a rotated secret works without a restart. Throws when its file has gone. */
  readonly password: (() => string | undefined) | undefined
  readonly db: number
  readonly keyPrefix: string
  readonly poolSize: number
  readonly connectTimeoutMs: number
  readonly readTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly tls: RedisTlsConfig | undefined
  readonly circuitBreaker: { readonly threshold: number; readonly openMs: number } | undefined
  readonly healthCheckIntervalMs: number | undefined
  readonly l1: { readonly maxItems: number; readonly maxBytes: number }
  readonly sentinel:
    | {
        readonly masterName: string
        readonly addresses: readonly Address[]
        readonly username: string | undefined
        readonly password: (() => string | undefined) | undefined
        readonly enableTLS: boolean
      }
    | undefined
  readonly cluster: { readonly addresses: readonly Address[] } | undefined
}

export interface RedisTlsConfig {
  /** PEM contents, not paths. */
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly serverName: string | undefined
  readonly skipVerify: boolean
}

/** The second road: how replicas reach each other without Redis. */
export interface PeersConfig {
  readonly listen: Address
  /** Where they are, this one perhaps among them; empty where `dns` says it. */
  readonly addresses: readonly Address[]
  /** A name each of whose addresses is a replica. */
  readonly dns: Address | undefined
}

/** Where operators list and end sessions. What is given must be shown: the token, a certificate, or both. */
export interface AdminConfig {
  readonly listen: Address
  /** Names, beside `localhost`, by which it may be asked; addresses always may. */
  readonly hosts: readonly string[]
  /** Visible ASCII, at least 32 characters. */
  readonly token: string | undefined
  readonly tls: AdminTlsConfig | undefined
}

/** PEM contents, not paths. */
export interface AdminTlsConfig {
  readonly cert: string
  readonly key: string
  /** Whose certificates are asked of clients. Absent: none are. */
  readonly clientCA: string | undefined
}

export interface PagesConfig {
  readonly name: string
  /** A data: URI or an https URL; absent: no picture. */
  readonly logo: string | undefined
  /** CSS colours (hex). */
  readonly accentColor: string | undefined
  /** `/oauth2/sign_in` shows no page, but sends the person to the provider at once. */
  readonly skipSignIn: boolean
}
