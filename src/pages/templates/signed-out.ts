import { html } from '../html.ts'
import { texts } from '../texts.ts'
import { layout, link, type Look } from './layout.ts'

export function signedOutPage(look: Look, page: { loginURL: string }): string {
  const { title, body, button } = texts.signedOut
  return layout(look, {
    title,
    tone: 'good',
    body: html`<p class="next">${body}</p>
      <div class="actions">${link('primary', page.loginURL, button)}</div>`,
  })
}
