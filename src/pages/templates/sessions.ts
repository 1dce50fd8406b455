import { html, type Markup } from '../html.ts'
import { timeAgo, texts } from '../texts.ts'
import type { OwnSessions, SessionOnPage } from '../pages.ts'
import { layout, link, person, type Look } from './layout.ts'

/** Forms, no links: nothing ends by following an address. */
export function sessionsPage(look: Look, page: OwnSessions): string {
  const words = texts.sessions
  const { current, others, now } = page
  return layout(look, {
    title: words.title,
    tone: 'info',
    body: html`${person(words.signedInAs, page.user)}
      <h2>${words.thisBrowser}</h2>
      <ul class="sessions">
        <li>${about(current, now, undefined)}${signOut(page, current)}</li>
      </ul>
      <h2>${words.otherBrowsers}</h2>
      ${others.length === 0 ? html`<p class="next">${words.noOthers}</p>` : undefined}
      <ul class="sessions">
        ${others.map((other) => html`<li>${about(other, now, other.lastSeenAt)}${signOut(page, other)}</li>`)}
      </ul>
      ${page.hasMore ? html`<p class="next">${words.more}</p>` : undefined}
      ${others.length === 0 ? undefined : html`<p class="note">${words.note}</p>`}
      <div class="actions">
        ${others.length === 0 ? undefined : button(page, 'others', words.signOutOthers, 'plain')}
        ${button(page, 'everywhere', words.signOutEverywhere, 'plain')} ${link('primary', page.homeURL, words.back)}
      </div>`,
  })
}

function about(session: SessionOnPage, now: number, lastSeenAt: number | undefined): Markup {
  const words = texts.sessions
  return html`<div>
    <strong>${session.browser ?? words.someBrowser}</strong>
    <span>${words.since} ${moment(session.createdAt, now)}</span>
    ${lastSeenAt === undefined ? undefined : html`<span>${words.lastSeen} ${moment(lastSeenAt, now)}</span>`}
    ${session.network === undefined ? undefined : html`<span>${words.network} <bdi>${session.network}</bdi></span>`}
  </div>`
}

/** The exact moment is there for whoever points at it. */
function moment(at: number, now: number): Markup {
  const exact = new Date(at).toISOString()
  return html`<time datetime="${exact}" title="${exact.slice(0, 16).replace('T', ' ')} UTC">${timeAgo(now - at)}</time>`
}

const action = (page: OwnSessions, which: string): string =>
  `${page.action}?end=${encodeURIComponent(which.toWellFormed())}`

const signOut = (page: OwnSessions, session: SessionOnPage): Markup => {
  const { signOut, someBrowser } = texts.sessions
  return html`<form method="post" action="${action(page, session.id)}">
    <button class="button" type="submit" aria-label="${signOut}: ${session.browser ?? someBrowser}">${signOut}</button>
  </form>`
}

const button = (page: OwnSessions, which: string, words: string, kind: 'primary' | 'plain'): Markup =>
  html`<form method="post" action="${action(page, which)}">
    <button class="button ${kind}" type="submit">${words}</button>
  </form>`
