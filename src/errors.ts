/** Public and stable: logs, metrics and the README name these codes. Messages may change, codes may not. */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'STORE_UNAVAILABLE'
  | 'STORE_VALUE_REJECTED'
  | 'PROVIDER_UNAVAILABLE'
  | 'LOGIN_REJECTED'
  | 'REFRESH_REJECTED'
  | 'TOKEN_REJECTED'
  | 'BAD_REQUEST'
  | 'SIGNAL_REJECTED'

/** Why a login was refused: the `reason` of the log line and of `foregate_logins_total`, and the code on the page. */
export type LoginReason =
  // the callback's parameters
  | 'state_missing'
  | 'state_unknown'
  | 'state_reused'
  | 'ended_meanwhile'
  | 'handover_code'
  | 'handover_host'
  | 'parameter_repeated'
  | 'parameter_too_long'
  | 'code_missing'
  | 'iss_missing'
  | 'iss_mismatch'
  | 'provider_error'
  | 'access_denied'
  // the token endpoint's answer
  | 'code_rejected'
  | 'client_rejected'
  | 'token_response_invalid'
  // the ID token
  | 'id_token_missing'
  | 'id_token_malformed'
  | 'id_token_signature'
  | 'id_token_algorithm'
  | 'id_token_issuer'
  | 'id_token_audience'
  | 'id_token_azp'
  | 'id_token_expired'
  | 'id_token_not_yet_valid'
  | 'id_token_issued_at'
  | 'id_token_nonce'
  | 'id_token_at_hash'
  | 'id_token_subject'
  | 'id_token_auth_time'
  | 'id_token_acr'
  | 'id_token_replayed'
  | 'access_token_audience'
  // the UserInfo answer
  | 'userinfo_subject'
  | 'userinfo_invalid'
  | 'email_not_verified'
  | 'claims_too_large'

/** Why a refresh ended the session. Anything else that goes wrong with a refresh keeps it. */
export type RefreshReason =
  // the provider's word: with its access token
  | 'invalid_grant'
  | 'refresh_refused'
  // an answer about somebody else, or of nobody that we know: at once
  | 'subject_changed'
  | 'issuer_changed'
  | 'id_token_invalid'
  // its answers were lost twice, and asking once more might spend a refresh token that is spent already
  | 'refresh_lost'

/**
 * Why something that a provider told us unasked (a logout token, a security event token) was refused: the `reason` of the answer, of
 * the log line and of `foregate_signals_total`.
 */
export type SignalReason =
  // the request
  | 'token_missing'
  | 'token_repeated'
  | 'token_too_large'
  | 'sender'
  // what anybody can make up
  | 'malformed'
  | 'algorithm'
  | 'issuer'
  | 'signature'
  // what the provider signed
  | 'type'
  | 'audience'
  | 'expired'
  | 'not_yet_valid'
  | 'issued_at'
  | 'token_id'
  | 'events'
  | 'nonce'
  | 'subject'
  | 'replayed'

/** Why a token that a machine brought was refused: the `reason` of the answer, of the log line and of the decision's metric. */
export type TokenReason =
  // the header that it came in
  | 'authorization_malformed'
  // the token
  | 'token_malformed'
  | 'token_too_large'
  | 'token_algorithm'
  | 'token_signature'
  | 'token_type'
  | 'token_issuer'
  | 'token_audience'
  | 'token_subject'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_issued_at'
  | 'token_inactive'
  | 'token_binding'
  | 'token_used'
  // the proof that its holder has its key (RFC 9449)
  | 'dpop_missing'
  | 'dpop_malformed'
  | 'dpop_type'
  | 'dpop_algorithm'
  | 'dpop_signature'
  | 'dpop_method'
  | 'dpop_url'
  | 'dpop_time'
  | 'dpop_token'
  | 'dpop_key'
  | 'dpop_replayed'
  | 'dpop_request_unknown'

/** An expected failure: `code` to rely on, `cause` kept, message for people. */
export abstract class AppError extends Error {
  abstract readonly code: ErrorCode
}

/** The configuration cannot be used. `problems`: one line each, naming file, key path, what is wrong and what is right. */
export class ConfigInvalid extends AppError {
  readonly code = 'CONFIG_INVALID'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** The shared store did not answer in time, refused, or its circuit is open. Safe to retry; says nothing about the data. */
export class StoreUnavailable extends AppError {
  readonly code = 'STORE_UNAVAILABLE'
}

/** The provider did not answer in time, or answered with a fault of its own. Safe to retry. */
export class ProviderUnavailable extends AppError {
  readonly code = 'PROVIDER_UNAVAILABLE'
}

/**
 * It was asked for something that can be done once, and no whole answer came: whether it did it, nobody knows. Not safe to
 * repeat.
 */
export class AnswerLost extends ProviderUnavailable {}

/** The provider answered that it does not accept this client: no reason to hold anything against a session. */
export class ClientRejected extends ProviderUnavailable {}

/** What somebody presented does not count, and why, in one word. */
abstract class Rejected<Reason extends string> extends AppError {
  readonly reason: Reason
  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** A login that must not succeed. `reason` is public; the message is for the log and holds no token, code or secret. */
export class LoginRejected extends Rejected<LoginReason> {
  readonly code = 'LOGIN_REJECTED'
}

/**
 * A refresh whose answer is final. `invalid_grant`, `refresh_refused`: the refresh token is worth nothing any more, the access token
 * is worth what it was. Otherwise the session it belongs to has ended.
 */
export class RefreshRejected extends Rejected<RefreshReason> {
  readonly code = 'REFRESH_REJECTED'
}

/** A logout token or a security event token that must not count. The message is for its sender, too, and holds nothing of the token. */
export class SignalRejected extends Rejected<SignalReason> {
  readonly code = 'SIGNAL_REJECTED'
}

/** A bearer token or its proof that must not count. `reason` is public; the message is for the log and holds nothing of the token. */
export class TokenRejected extends Rejected<TokenReason> {
  readonly code = 'TOKEN_REJECTED'
}

/** The request cannot be understood or must not be: a hostile or damaged input. */
export class BadRequest extends AppError {
  readonly code = 'BAD_REQUEST'
}

/** The store answered, but with something that is not ours to use (wrong type, damaged): treated as a miss, and counted. */
export class StoreValueRejected extends AppError {
  readonly code = 'STORE_VALUE_REJECTED'
}
