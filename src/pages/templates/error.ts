import { html } from '../html.ts'
import { errorText, texts } from '../texts.ts'
import { forSupport, layout, link, type Look } from './layout.ts'

export function errorPage(
  look: Look,
  page: {
    status: number
    reason: string
    requestId: string
    retryURL: string | undefined
    retriesByItself?: boolean | undefined
  },
): string {
  const { title, what, next } = errorText(page.reason, page.status)
  const retry = page.retryURL === undefined ? undefined : link('primary', page.retryURL, texts.error.retry)
  return layout(look, {
    title,
    tone: 'bad',
    goOnTo: page.retriesByItself === true ? page.retryURL : undefined,
    body: html`<p>${what}</p>
      <p class="next">${next}</p>
      ${retry && html`<div class="actions">${retry}</div>`}
      ${forSupport([
        [texts.support.code, `${page.reason} (${page.status})`],
        [texts.support.request, page.requestId],
      ])}`,
  })
}
