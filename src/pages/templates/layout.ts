// What every page has in common: the document, the operator's name and picture, the card, the line for support.
import { escape, html, safeURL, trusted, type Markup } from '../html.ts'
import { texts } from '../texts.ts'

export interface Look {
  readonly name: string
  readonly logo: string | undefined
  /** The exact text that the policy's hash covers. */
  readonly style: string
}

export interface Content {
  readonly title: string
  readonly tone: 'bad' | 'good' | 'info'
  readonly body: Markup
  /** Where the page goes by itself, at once. */
  readonly goOnTo?: string | undefined
}

export function layout(look: Look, { title, tone, body, goOnTo }: Content): string {
  // The style stands without a space around it: the hash in the policy is of exactly what is between the tags.
  return html`<!doctype html>
    <html lang="${texts.lang}" dir="${texts.dir}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${goOnTo === undefined ? undefined : html`<meta http-equiv="refresh" content="0;url=${safeURL(goOnTo)}" />`}
        <title>${title} · ${look.name}</title>
        ${trusted(`<style>${look.style}</style>`)}
      </head>
      <body>
        <header>${logo(look)}<span>${look.name}</span></header>
        <main>
          ${trusted(icons[tone])}
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `.markup
}

/** The name stands beside it, so that a screen reader need not say it twice. */
function logo({ logo }: Look): Markup | undefined {
  // Checked where the pages are made: an https URL or a data: picture, which `src` would not let through otherwise.
  return logo === undefined ? undefined : trusted(`<img src="${escape(logo)}" alt="" height="44" />`)
}

/** For support: what to quote when asking for help. */
export function forSupport(details: readonly (readonly [label: string, value: string])[]): Markup {
  return html`<dl>
    ${details.map(
      ([label, value]) =>
        html`<dt>${label}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`
}

export function link(kind: 'primary' | 'plain', url: string, text: string): Markup {
  return html`<a class="button ${kind}" href="${url}">${text}</a>`
}

/** Cut so that a hostile claim cannot push the buttons away; `bdi` keeps its direction to itself. */
export function person(label: string, user: string): Markup {
  const shown = user.length > 120 ? `${user.slice(0, 119)}…` : user
  return html`<p class="who">
    <span>${label}</span><strong><bdi>${shown}</bdi></strong>
  </p>`
}

const icon = (tone: string, drawing: string) =>
  `<svg class="icon ${tone}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${drawing}</svg>`

const icons = {
  bad: icon('bad', '<circle cx="12" cy="12" r="9.25"/><path d="M12 7.5v5.5"/><path d="M12 16.4v.1"/>'),
  good: icon('good', '<circle cx="12" cy="12" r="9.25"/><path d="m8 12.3 2.8 2.8L16 9.5"/>'),
  info: icon(
    'info',
    '<rect x="4.75" y="10.5" width="14.5" height="9.75" rx="2.25"/><path d="M8 10.5V7.75a4 4 0 0 1 8 0v2.75"/><path d="M12 14.4v2"/>',
  ),
} as const
