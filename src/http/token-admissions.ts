// Admissions that carry a signed identity token (X-Foregate-Jwt) as well, where the operator asks for it on the answers of the
// decision endpoints. Where they do not, this does not exist.
import { identityTokenHeader, type IdentityTokens } from '../identity-token/identity-token.ts'
import type { Admissions } from './admissions.ts'
import type { Addresses } from './addresses.ts'
import { allowing, type Allowed, type AuthDecision, type DecisionContext } from './auth-decision.ts'

export function withIdentityToken(
  admissions: Admissions,
  tokens: Pick<IdentityTokens, 'tokenFor'>,
  addresses: Pick<Addresses, 'origin'>,
): Admissions {
  /** The last of each. */
  const made = new WeakMap<Allowed, { readonly token: string; readonly allow: Allowed }>()

  function withToken(allow: Allowed, token: string): Allowed {
    const known = made.get(allow)
    if (known?.token === token) return known.allow
    const { allow: next } = allowing({ ...allow.headers, [identityTokenHeader]: token })
    made.set(allow, { token, allow: next })
    return next
  }

  function added(context: DecisionContext, decision: AuthDecision): AuthDecision {
    // Reverse-proxy mode knows its applications by themselves (gateway.ts).
    if (decision.allow === undefined || context.label === 'proxy') return decision
    const { session, token: machine, allow } = decision
    const who = session ?? machine
    // On oauth2-proxy's address any script of the site can read the answer: never a token there. On every answer the header, so that no
    // copy sent by a client gets through.
    const isToken = who !== undefined && context.label !== 'oauth2-proxy'
    const token = isToken ? tokens.tokenFor(who, addresses.origin(context.original)) : ''
    return { ...decision, allow: withToken(allow, token) }
  }

  return {
    ...admissions,
    allowOrDeny(context, ...rest) {
      const decision = admissions.allowOrDeny(context, ...rest)
      return decision instanceof Promise
        ? decision.then((settled) => added(context, settled))
        : added(context, decision)
    },
    allowOrDenyToken: (context, ...rest) => added(context, admissions.allowOrDenyToken(context, ...rest)),
    publicly: (context) => added(context, admissions.publicly(context)),
  }
}
