// The look that the demo's two sites share: one document, no script, nothing from elsewhere.

export const escapeHTML = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)

/** `body` is HTML, already escaped. `accent` tells the demo's sites apart at a glance. */
export function htmlPage(page: { title: string; accent: string; body: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escapeHTML(page.title)}</title>
<style>
:root { --accent: ${page.accent}; --ink: #1c2330; --soft: #5d6778; --paper: #fff; --ground: #eef1f6; --line: #dde2ea }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7eaf0; --soft: #9aa4b5; --paper: #1d222c; --ground: #12151b; --line: #333b49 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 46rem; margin: 6vh auto; padding: 2rem 2.25rem; background: var(--paper); border: 1px solid var(--line);
  border-top: 4px solid var(--accent); border-radius: 10px }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25 }
h2 { margin: 2rem 0 .5rem; font-size: 1.05rem }
p { margin: .5rem 0 }
.soft { color: var(--soft) }
nav { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.25rem 0 }
a { color: var(--accent) }
nav a, button { display: inline-block; padding: .5rem .9rem; border: 1px solid var(--line); border-radius: 8px; color: var(--ink);
  background: transparent; font: inherit; text-decoration: none; cursor: pointer }
nav a:hover, button:hover, nav a:focus-visible, button:focus-visible { border-color: var(--accent); outline: none }
button.person { display: flex; width: 100%; align-items: center; gap: 1rem; margin: .6rem 0; padding: .9rem 1rem; text-align: left }
button.person b { display: block }
.badge { flex: none; width: 2.5rem; height: 2.5rem; border-radius: 50%; background: var(--accent); color: #fff; font-weight: 600;
  line-height: 2.5rem; text-align: center; text-transform: uppercase }
table { width: 100%; border-collapse: collapse; font-size: .9rem }
td { padding: .35rem .5rem; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
td:first-child { width: 15rem; color: var(--soft); font-family: ui-monospace, monospace }
@media (max-width: 40rem) { td, td:first-child { display: block; width: auto } td + td { padding-top: 0; border-top: 0 } }
tr.identity td { background: color-mix(in srgb, var(--accent) 9%, transparent) }
tr.identity td:first-child { color: var(--ink) }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { margin: .75rem 0 0; padding: .75rem; border: 1px solid var(--line); border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere }
</style>
</head>
<body><main>
${page.body}
</main></body>
</html>
`
}
