import { html } from '../html.ts'
import { texts } from '../texts.ts'
import { layout, link, person, type Look } from './layout.ts'

/** A form, not a link: a POST carries an `Origin` in every browser, also where no `Sec-Fetch-Site` is sent (plain http). */
export function confirmLogoutPage(
  look: Look,
  page: { action: string; user: string | undefined; sessionsURL: string },
): string {
  const { title, body, button, stay, signedInAs, allSessions } = texts.confirmLogout
  return layout(look, {
    title,
    tone: 'info',
    body: html`<p class="next">${body}</p>
      ${page.user === undefined ? undefined : person(signedInAs, page.user)}
      <div class="actions">
        <form method="post" action="${page.action}">
          <button class="button primary" type="submit">${button}</button>
        </form>
        ${link('plain', '/', stay)}
        ${page.user === undefined ? undefined : link('plain', page.sessionsURL, allSessions)}
      </div>`,
  })
}
