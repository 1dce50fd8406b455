import { html } from '../html.ts'
import { texts } from '../texts.ts'
import { layout, link, type Look } from './layout.ts'

export function signInPage(look: Look, page: { loginURL: string }): string {
  const { title, body, button } = texts.signIn
  return layout(look, {
    title,
    tone: 'info',
    body: html`<p class="next">${body}</p>
      <div class="actions">${link('primary', page.loginURL, button)}</div>`,
  })
}
