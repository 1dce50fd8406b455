import { html } from '../html.ts'
import { texts } from '../texts.ts'
import { layout, link, type Look } from './layout.ts'

export function signInPage(look: Look, page: { loginURL: string; providerName: string | undefined }): string {
  const { title, body, button, buttonWith } = texts.signIn
  const label = page.providerName === undefined ? button : buttonWith(page.providerName)
  return layout(look, {
    title,
    tone: 'info',
    body: html`<p class="next">${body}</p>
      <div class="actions">${link('primary', page.loginURL, label)}</div>`,
  })
}
