// What the system, TLS and OpenSSL call a connection that did not come about, whoever is on the other side: code -> kind. The rooms
// that speak to somebody add their own codes, and say what a kind means there.

export const kindsByConnectionCode = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_name',
  CERT_HAS_EXPIRED: 'tls_expired',
  CERT_NOT_YET_VALID: 'tls_expired',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'tls_untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls_untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_untrusted',
  CERT_UNTRUSTED: 'tls_untrusted',
  CERT_REVOKED: 'tls_untrusted',
  CERT_SIGNATURE_FAILURE: 'tls_untrusted',
  ERR_SSL_WRONG_VERSION_NUMBER: 'tls_not_offered',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'tls_not_offered',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'tls_client_certificate',
} as const
