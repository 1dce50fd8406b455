import { html } from '../html.ts'
import { texts } from '../texts.ts'
import { layout, link, type Look } from './layout.ts'

/** Goes on by itself, from our own site: the browser then sends cookies that a redirect from the provider would not get. */
export function goOnPage(look: Look, page: { url: string }): string {
  const { title, body, button } = texts.goOn
  return layout(look, {
    title,
    tone: 'good',
    goOnTo: page.url,
    body: html`<p class="next">${body}</p>
      <div class="actions">${link('primary', page.url, button)}</div>`,
  })
}
