import { html } from '../html.ts'
import { denialText, texts } from '../texts.ts'
import { forSupport, layout, link, person, type Look } from './layout.ts'

export function forbiddenPage(
  look: Look,
  page: { user: string; switchAccountURL: string; logoutURL: string; requestId: string; reason?: string },
): string {
  const { title, next, signedInAs, switchAccount, signOut } = texts.forbidden
  return layout(look, {
    title,
    tone: 'bad',
    body: html`<p>${denialText(page.reason)}</p>
      ${person(signedInAs, page.user)}
      <p class="next">${next}</p>
      <div class="actions">
        ${link('primary', page.switchAccountURL, switchAccount)} ${link('plain', page.logoutURL, signOut)}
      </div>
      ${forSupport([
        [texts.support.code, `${page.reason ?? 'forbidden'} (403)`],
        [texts.support.request, page.requestId],
      ])}`,
  })
}
