// What the service runs on: every option checked, converted (durations in milliseconds, sizes in bytes) and frozen.
// The file speaks the operator's words and units; `schema.ts` translates. A room is handed its own slice, never the whole.
import type { ForwardAuthContract, OAuth2ProxyDialect } from './contracts.ts'

export interface Config {
  readonly server: ServerConfig
  readonly provider: ProviderConfig
  readonly paths: PathsConfig
  readonly session: SessionConfig
  readonly cookies: CookieConfig
  readonly access: AccessConfig
  readonly cors: CORSConfig
  readonly tokens: TokensConfig
  readonly forwardAuth: ForwardAuthConfig
  readonly upstreams: readonly UpstreamConfig[]
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
  /** Where the discovery document is, when not under `providerURL`. */
  readonly discoveryURL: string | undefined
  readonly clientID: string
  readonly clientSecret: string | undefined
  readonly clientAuthMethod: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  /** `private_key_jwt`: PEM (PKCS #8), key id and algorithm. */
  readonly clientAssertion:
    { readonly privateKeyPEM: string; readonly keyID: string | undefined; readonly algorithm: string } | undefined
  readonly scopes: readonly string[]
  readonly audience: string | undefined
  readonly strictAudienceValidation: boolean
  readonly enablePKCE: boolean
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
  /** Absolute URL, or a path on the request's own host. */
  readonly postLogoutRedirectURI: string
}

export interface SessionConfig {
  /** At least 32 bytes each. The first seals, all open. */
  readonly encryptionKeys: readonly Buffer[]
  readonly maxAgeMs: number
  readonly idleTimeoutMs: number | undefined
  readonly refreshGraceMs: number
  /** The most sessions of one user; undefined: no bound. */
  readonly maxPerUser: number | undefined
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
}

export interface RuleConfig {
  readonly host: string | undefined
  readonly path: string | undefined
  readonly methods: readonly string[] | undefined
  /** Addresses and CIDR ranges of clients. */
  readonly networks: readonly string[] | undefined
  readonly policy: 'public' | 'login' | 'deny'
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
  /** Logins started per minute and client address. */
  readonly loginsPerMinute: number
}

export interface CORSConfig {
  /** Origins, as browsers write them, whose pages may read our refusals to their scripts. */
  readonly allowedOrigins: readonly string[]
}

export interface TokensConfig {
  readonly disableReplayDetection: boolean
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
  readonly caPEM: string | undefined
  /** The application gets the browser's `Host`, rather than the one of `url`. */
  readonly passHost: boolean
  readonly rules: readonly RuleConfig[]
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
