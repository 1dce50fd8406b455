// Puts the pages together: the operator's name, picture and colour on one side, the port's methods on the other.
import type { PagesConfig } from '../config/config.ts'
import { refuseFindings } from '../config/problems.ts'
import { lookFindings, type LogoOf } from './look.ts'
import { chooseProviderPage } from './templates/choose-provider.ts'
import { confirmLogoutPage } from './templates/confirm-logout.ts'
import { errorPage } from './templates/error.ts'
import { forbiddenPage } from './templates/forbidden.ts'
import { goOnPage } from './templates/go-on.ts'
import type { Look } from './templates/layout.ts'
import { sessionsPage } from './templates/sessions.ts'
import { signInPage } from './templates/sign-in.ts'
import { signedOutPage } from './templates/signed-out.ts'
import type { Pages } from './pages.ts'
import { contentSecurityPolicy, stylesheet } from './styles.ts'

/** Throws ConfigInvalid for a colour or a logo that cannot be used. */
export function createPages(config: Omit<PagesConfig, 'skipSignIn'>, providers: readonly LogoOf[] = []): Pages {
  refuseFindings(lookFindings(config, providers))
  const logos = [config.logo, ...providers.map(({ logo }) => logo)].filter((logo) => logo !== undefined)
  const look: Look = { name: config.name, logo: config.logo, style: stylesheet(config.accentColor) }
  return {
    signIn: (page) => signInPage(look, page),
    chooseProvider: (page) => chooseProviderPage(look, page),
    error: (page) => errorPage(look, page),
    forbidden: (page) => forbiddenPage(look, page),
    signedOut: (page) => signedOutPage(look, page),
    goOn: (page) => goOnPage(look, page),
    confirmLogout: (page) => confirmLogoutPage(look, page),
    sessions: (page) => sessionsPage(look, page),
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': contentSecurityPolicy(look.style, logos),
      'cache-control': 'no-store',
      // Not `no-referrer`: with it browsers send `Origin: null` on the logout form's POST, which then looks cross-site.
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    },
  }
}
