// The one stylesheet, and the policy that allows it and nothing else. Light and dark follow the reader's setting; the
// operator's accent colours the button and the stripe only, never text on the page, so that no accent can make it unreadable.
import { createHash } from 'node:crypto'
import { colourChannels } from './look.ts'

const defaultAccent = '#2f5bea'

/** The stylesheet's text. Throws RangeError for a colour that is not hexadecimal: it becomes part of the CSS. */
export function stylesheet(accentColor: string | undefined): string {
  const accent = accentColor ?? defaultAccent
  const channels = colourChannels(accent)
  if (channels === undefined) throw new RangeError('not a colour')
  return `:root{color-scheme:light dark;--accent:${accent};--on-accent:${readableOn(channels)}}${rules}`
}

/** Black or white, whichever reads better on the colour (WCAG 2.2: relative luminance; one of them has at least 4.5:1). */
function readableOn(channels: readonly number[]): '#000' | '#fff' {
  const [red = 0, green = 0, blue = 0] = channels.map((channel) => {
    const part = channel / 255
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? '#fff' : '#000'
}

/**
 * No script, no frame, no font, no connection: the style by its hash and the logos where they are.
 *
 * `form-action` names schemes instead of `'self'`: Chromium applies it to every redirect that follows a form's POST, too,
 * and the logout form posts to us, from where the way leads to the provider, perhaps on to the provider's own provider, and
 * back to the application: origins that nobody can list. It still keeps forms away from `javascript:` and the like, and a
 * form can only be injected where escaping has failed.
 */
export function contentSecurityPolicy(style: string, logos: readonly string[]): string {
  const hash = createHash('sha256').update(style).digest('base64')
  const origins = new Set(logos.map((logo) => (logo.startsWith('data:') ? 'data:' : new URL(logo).origin)))
  const pictures = origins.size === 0 ? [] : [`img-src ${[...origins].join(' ')}`]
  return [
    "default-src 'none'",
    `style-src 'sha256-${hash}'`,
    ...pictures,
    "form-action 'self' https: http:",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

// Contrast (WCAG 2.2 AA), light / dark: text 15.9 / 14.3, muted text 5.9 / 7.0, against the card; edges and focus ring above 3.
const rules = `
:root{--page:#eef1f6;--card:#fff;--text:#18202e;--muted:#566072;--line:#d6dce6;--quiet:#f3f5f9;--edge:#8791a2;--bad:#b3261e;--good:#1a7a43;--info:#3b4a66}
@media (prefers-color-scheme:dark){:root{--page:#0e131b;--card:#182029;--text:#e8edf4;--muted:#a3aebd;--line:#323d4b;--quiet:#202a35;--edge:#6b798c;--bad:#ff9d94;--good:#7ddba2;--info:#b9c7de}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;align-items:center;justify-content:center;gap:20px;padding:24px 16px;background:var(--page);color:var(--text);font:17px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
header{display:flex;align-items:center;justify-content:center;gap:12px;max-width:440px;font-weight:600;font-size:18px;overflow-wrap:anywhere}
header img{display:block;max-height:44px;max-width:160px}
main{width:100%;max-width:440px;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--accent);border-radius:14px;padding:32px 28px 28px;box-shadow:0 1px 2px rgb(15 23 42/.06),0 12px 32px rgb(15 23 42/.08);overflow-wrap:anywhere}
.icon{display:block;width:44px;height:44px;margin:0 0 16px;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round}
.bad{color:var(--bad)}.good{color:var(--good)}.info{color:var(--info)}
h1{margin:0 0 10px;font-size:25px;line-height:1.25;font-weight:650;letter-spacing:-.01em;text-wrap:balance}
p{margin:0 0 12px}
.next{color:var(--muted)}
.who{margin:16px 0;padding:12px 14px;border-radius:10px;background:var(--quiet);border:1px solid var(--line)}
.who span{display:block;font-size:14px;color:var(--muted)}
.who strong{font-weight:600}
.actions{display:flex;flex-direction:column;gap:12px;margin:24px 0 0}
.actions form{margin:0}
.button{display:flex;align-items:center;justify-content:center;width:100%;min-height:48px;padding:10px 18px;border:1px solid var(--line);border-radius:10px;background:transparent;color:var(--text);font:inherit;font-weight:600;line-height:1.3;text-align:center;text-decoration:none;cursor:pointer}
.button:hover{background:var(--quiet)}
.plain{border-color:var(--edge)}
.choice{justify-content:flex-start;gap:14px;border-color:var(--edge);text-align:start}
.choice img{display:block;width:24px;max-height:24px;object-fit:contain}
.primary{background:var(--accent);color:var(--on-accent);border-color:rgb(127 127 127/.35)}
.primary:hover{background:var(--accent);filter:brightness(1.08)}
a:focus-visible,button:focus-visible{outline:3px solid var(--text);outline-offset:3px}
h2{margin:22px 0 8px;font-size:15px;font-weight:600;color:var(--muted)}
.sessions{list-style:none;margin:0;padding:0}
.sessions li{display:flex;align-items:center;justify-content:space-between;gap:12px;padding:12px 14px;border:1px solid var(--line);border-radius:10px}
.sessions li+li{margin-top:8px}
.sessions span{display:block;font-size:14px;color:var(--muted)}
.sessions strong{font-weight:600}
.note{margin:14px 0 0;font-size:14px;color:var(--muted)}
.sessions form{margin:0;flex:none}
.sessions .button{width:auto;min-height:44px;padding:8px 14px;border-color:var(--edge);font-size:15px}
dl{display:grid;grid-template-columns:auto 1fr;gap:4px 14px;margin:26px 0 0;padding:14px 0 0;border-top:1px solid var(--line);font-size:14px;color:var(--muted)}
dd{margin:0;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:13px;line-height:1.7;user-select:all}
@media (max-width:480px){main{padding:26px 20px 22px}h1{font-size:23px}}
@media (forced-colors:active){.button{border:2px solid ButtonText}main{border-top-color:CanvasText}}
`
