// What a token is worth that a machine brings with its request. This room owns how it is verified (its signature, or the provider's
// word), what of that is remembered, proofs of possession, and single use. It leaves to others what it permits (access/), and how a
// refusal is worded (http/). Of anything that goes wrong here nobody is let in, and a failure of ours is never called a bad token.
import type { ReplayDetection } from '../cache/replay-detection.ts'
import { LoginRejected, ProviderUnavailable, TokenRejected, type TokenReason } from '../errors.ts'
import { withoutProtocol } from '../oidc/claims.ts'
import type { JSONObject } from '../oidc/json.ts'
import { decodeUnverified, readHeader, type Unverified } from '../oidc/signature.ts'
import { asymmetric } from '../oidc/metadata.ts'
import type { Clock } from '../time.ts'
import { readCredentials } from './credentials.ts'
import type { VerifySignature } from './further-issuer.ts'
import type { CheckProof, ProvenRequest } from './proof.ts'
import { checkIntrospected, checkSigned, textsOf, type Expected, type TokenFacts } from './token-claims.ts'
import { verifiedForMs, type TokenIdentity, type VerifiedToken, type VerifiedTokens } from './verified-tokens.ts'

export interface Presented {
  /** The whole Authorization header. */
  readonly authorization: string
  /** The `DPoP` header. */
  readonly proof: string | undefined
  /** What a proof has to be for; undefined: nobody whom we believe has said. */
  readonly request: ProvenRequest | undefined
  /** Proof and single use were seen to when the request came; now it is asked whether its stream may go on. */
  readonly goesOn: boolean
}

export interface Bearer {
  /** A token that was verified a moment ago, and needs nothing but itself. Synchronous: the hot path. */
  near(authorization: string): TokenIdentity | undefined
  /** Its token was verified a moment ago, be it that a proof has to come with it. */
  isKnown(authorization: string): boolean
  /**
   * Undefined where the header is of another scheme, and not ours. Throws TokenRejected; ProviderUnavailable or StoreUnavailable where
   * it cannot be said.
   */
  verify(presented: Presented): Promise<TokenIdentity> | undefined
}

/** Who may have issued a token. */
export interface TokenIssuer {
  readonly issuer: string
  /** Where it has several names. Absent: `issuer` alone. */
  readonly isIssuer?: ((issuer: string) => boolean) | undefined
  /** Where it is a provider that people log in at, too; see Session. */
  readonly provider?: string | undefined
  readonly audiences: readonly string[]
  readonly verifySignature: VerifySignature
  /** RFC 7662. Absent: it cannot be asked. */
  readonly introspect?: ((token: string) => Promise<JSONObject>) | undefined
  /** Its claims by the names that options have for them. Absent: they are. */
  readonly renamed?: ((claims: JSONObject) => JSONObject) | undefined
}

export interface BearerDeps {
  /** The first that can be asked is the one that is, about what is no JWT. */
  readonly issuers: readonly TokenIssuer[]
  /** What is no JWT is asked about. */
  readonly allowsOpaqueTokens: boolean
  /** JWTs are asked about, too, once their signature is good. */
  readonly requiresIntrospection: boolean
  readonly oneTime: boolean
  /** Ours at the providers, as far as there are some. */
  readonly clientIDs: () => readonly string[]
  readonly clockSkewMs: number
  readonly tokens: VerifiedTokens
  readonly used: ReplayDetection
  readonly checkProof: CheckProof
  readonly claimsToKeep: (claims: JSONObject) => JSONObject
  readonly clock: Clock
}

/** Questions to the provider at a time: whoever makes up tokens shall not make it a flood of them. */
const maxUnderWay = 64

export function createBearer(deps: BearerDeps): Bearer {
  const { tokens, clock, used } = deps
  const asked = deps.issuers.find(({ introspect }) => introspect !== undefined)
  const underWay = new Map<string, Promise<VerifiedToken>>()
  let questions = 0

  function near(authorization: string): TokenIdentity | undefined {
    const known = tokens.near(authorization)
    if (known === undefined || known.keyThumbprint !== undefined) return undefined
    tokens.counts.hit.value++
    return known.identity
  }

  function verify(presented: Presented): Promise<TokenIdentity> | undefined {
    const credentials = readCredentials(presented.authorization)
    return credentials && verifyToken(credentials, presented)
  }

  async function verifyToken(
    { scheme, token }: { scheme: 'Bearer' | 'DPoP'; token: string },
    { authorization, proof, request, goesOn }: Presented,
  ): Promise<TokenIdentity> {
    const known = tokens.near(authorization)
    tokens.counts[known === undefined ? 'miss' : 'hit'].value++
    const verified = known ?? (await verifiedOnce(token))
    const { keyThumbprint: thumbprint, identity } = verified
    // RFC 9449 section 7.2: whoever stole a bound token shall not get by with leaving the proof out.
    if ((thumbprint !== undefined) !== (scheme === 'DPoP')) {
      throw new TokenRejected(
        'token_binding',
        scheme === 'DPoP' ? 'it is bound to no key' : 'it is bound to a key, and comes without DPoP',
      )
    }
    if (goesOn) return identity
    if (thumbprint !== undefined) await deps.checkProof({ proof, token, thumbprint, request })
    if (deps.oneTime) await useUp(token, verified)
    // With more spaces between it would be another entry: nobody's one token fills the cache and pushes others out.
    else if (authorization.length === scheme.length + 1 + token.length) tokens.keepNear(authorization, verified)
    return identity
  }

  async function useUp(token: string, { identity, jti }: VerifiedToken): Promise<void> {
    const { endsAt } = identity
    if (endsAt === undefined) throw new TokenRejected('token_expired', 'exp is missing, and each token counts once')
    const name = jti === undefined ? unmistakable(token) : `${identity.issuer} ${jti}`
    // A moment longer than it counts here: other replicas' clocks may be behind.
    const isFirst = await used.first('bearer', name, endsAt - clock() + deps.clockSkewMs)
    if (!isFirst) throw new TokenRejected('token_used', 'it was used before')
  }

  /** However many bring the same one at a time. */
  function verifiedOnce(token: string): Promise<VerifiedToken> {
    const id = tokens.idOf(token)
    const running = underWay.get(id)
    if (running !== undefined) return running
    const judging = judge(token, id).finally(() => underWay.delete(id))
    underWay.set(id, judging)
    return judging
  }

  async function judge(token: string, id: string): Promise<VerifiedToken> {
    // What costs nothing comes first: a made-up token is no reason to compute, and none to ask anybody.
    const jwt = asJWT(token)
    if (jwt === undefined && !deps.allowsOpaqueTokens) {
      throw new TokenRejected('token_malformed', 'it is no JWT, and allowOpaqueTokens is off')
    }
    const issuer = jwt === undefined ? askedAboutAny() : issuerOf(jwt)
    if (jwt !== undefined) checkSigned(jwt, expectedOf(issuer))
    const rejection = tokens.rejection(id)
    if (rejection !== undefined) throw new TokenRejected(rejection.reason, rejection.message)
    try {
      const signed = jwt === undefined ? undefined : await signedBy(issuer, token, id)
      if (signed !== undefined && 'until' in signed) return signed
      const verified =
        signed !== undefined && !deps.requiresIntrospection
          ? made(checkSigned(signed, expectedOf(issuer)), issuer, signed.claims)
          : await introspected(issuer, token, id, signed?.claims)
      void tokens.keepShared(id, token, verified)
      return verified
    } catch (error) {
      if (error instanceof TokenRejected) tokens.keepRejection(id, error)
      throw error
    }
  }

  /** A verdict instead: the keys cannot be had, and another replica had them. */
  async function signedBy(issuer: TokenIssuer, token: string, id: string): Promise<Unverified | VerifiedToken> {
    try {
      return await issuer.verifySignature(token)
    } catch (error) {
      if (error instanceof LoginRejected) throw asTokenRejected(error)
      const verified = error instanceof ProviderUnavailable ? await tokens.shared(id, token) : undefined
      if (verified !== undefined) return verified
      throw error
    }
  }

  function askedAboutAny(): TokenIssuer {
    if (asked === undefined)
      throw new TokenRejected('token_malformed', 'it is no JWT, and nobody can be asked about it')
    return asked
  }

  async function introspected(
    issuer: TokenIssuer,
    token: string,
    id: string,
    signed: JSONObject | undefined,
  ): Promise<VerifiedToken> {
    const known = await tokens.shared(id, token)
    if (known !== undefined) return known
    if (issuer.introspect === undefined) throw new TokenRejected('token_issuer', 'its issuer cannot be asked about it')
    if (questions >= maxUnderWay) throw new ProviderUnavailable('introspection: too many tokens to ask about at a time')
    questions++
    const answer = await issuer.introspect(token).finally(() => questions--)
    const facts = checkIntrospected(answer, signed, expectedOf(issuer))
    return made(facts, issuer, { ...signed, ...answer })
  }

  function made({ keyThumbprint, jti, ...facts }: TokenFacts, from: TokenIssuer, claims: JSONObject) {
    const { issuer, provider, renamed = (own) => own } = from
    return {
      identity: {
        ...facts,
        issuer,
        ...(provider !== undefined && { provider }),
        claims: deps.claimsToKeep(renamed(withoutProtocol(claims))),
      },
      keyThumbprint,
      jti,
      until: Math.min(clock() + verifiedForMs, facts.endsAt ?? Infinity),
    }
  }

  /** Of several clients of one issuer the one whose audience the token names. */
  function issuerOf({ claims: { iss, aud } }: Unverified): TokenIssuer {
    if (typeof iss !== 'string')
      throw new TokenRejected('token_issuer', iss === undefined ? 'iss is missing' : 'iss is no string')
    const [first, ...others] = namedBy(iss)
    if (first === undefined) throw new TokenRejected('token_issuer', 'iss is nobody whom we know')
    if (others.length === 0) return first
    const audience = textsOf(aud)
    return [first, ...others].find(({ audiences }) => audiences.some((one) => audience.includes(one))) ?? first
  }

  function namedBy(iss: string): readonly TokenIssuer[] {
    const known = deps.issuers.filter(({ issuer }) => issuer === iss)
    const byAnotherName = deps.issuers.filter(({ issuer, isIssuer }) => issuer !== iss && isIssuer?.(iss) === true)
    return [...known, ...byAnotherName.map((issuer) => ({ ...issuer, issuer: iss }))]
  }

  const expectedOf = ({ issuer, audiences }: TokenIssuer): Expected => ({
    issuer,
    audiences,
    clientIDs: deps.clientIDs(),
    clockSkewMs: deps.clockSkewMs,
    now: clock(),
  })

  return { near, verify, isKnown: (authorization) => tokens.near(authorization) !== undefined }
}

/** Undefined for what is no signed JWT, and may mean something to the provider. Throws TokenRejected for a JWT that nobody may send. */
function asJWT(token: string): Unverified | undefined {
  if (token.split('.').length !== 3 || typeof readHeader(token)?.alg !== 'string') return undefined
  try {
    return decodeUnverified(token, asymmetric)
  } catch (error) {
    throw error instanceof LoginRejected ? asTokenRejected(error) : error
  }
}

/**
 * Of a JWT what is signed: its signature can be written in several ways (bits of base64url that mean nothing, padding, and of ECDSA the
 * other one of two numbers), each of which would be a token of its own.
 */
const unmistakable = (token: string): string =>
  asJWT(token) === undefined ? token : token.slice(0, token.lastIndexOf('.'))

const reasons: Readonly<Partial<Record<LoginRejected['reason'], TokenReason>>> = {
  id_token_algorithm: 'token_algorithm',
  id_token_signature: 'token_signature',
  claims_too_large: 'token_too_large',
}

function asTokenRejected(error: LoginRejected): TokenRejected {
  return new TokenRejected(reasons[error.reason] ?? 'token_malformed', error.message, { cause: error })
}
