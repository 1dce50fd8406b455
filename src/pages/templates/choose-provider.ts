import { escape, html, trusted, type Markup } from '../html.ts'
import type { ProviderOnPage } from '../pages.ts'
import { texts } from '../texts.ts'
import { layout, type Look } from './layout.ts'

export function chooseProviderPage(look: Look, page: { choices: readonly ProviderOnPage[] }): string {
  const { title, body } = texts.chooseProvider
  return layout(look, {
    title,
    tone: 'info',
    body: html`<p class="next">${body}</p>
      <div class="actions">${page.choices.map(choice)}</div>`,
  })
}

const choice = ({ title, logo, loginURL }: ProviderOnPage): Markup =>
  html`<a class="button choice" href="${loginURL}"
    >${picture(logo)}<span>${texts.chooseProvider.button(title)}</span></a
  >`

/** Checked where the pages are made, as the operator's own is. */
const picture = (logo: string | undefined): Markup | undefined =>
  logo === undefined ? undefined : trusted(`<img src="${escape(logo)}" alt="" height="24" />`)
