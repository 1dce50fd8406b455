import assert from 'node:assert/strict'
import { test } from 'node:test'
import { html, trusted } from '../../src/pages/html.ts'
import { stylesheet } from '../../src/pages/styles.ts'

// Not called `html` here: the formatter would lay it out as a document.
const tag = html

test('markup is put together as it stands, text is escaped, undefined is nothing', () => {
  const list = ['a', '<b>'].map((item) => tag`<li>${item}</li>`)
  assert.equal(
    tag`<ul>${list}</ul>${undefined}${3}${trusted('<hr>')}`.markup,
    '<ul><li>a</li><li>&#60;b&#62;</li></ul>3<hr>',
  )
})

test('a placeholder outside of text and quoted attributes is a mistake that shows at the first use', () => {
  assert.throws(() => tag`<p class=${'x'}>`, /quoted attribute/)
  assert.throws(() => tag`<p ${'onclick'}="x">`, /quoted attribute/)
  assert.throws(() => tag`<${'script'}>`, /quoted attribute/)
  assert.throws(() => tag`<p title="${trusted('x')}">`, /inside a tag/)
})

test('a greater-than sign in an attribute does not make the rest of the tag look like text', () => {
  assert.equal(tag`<p title="a ${'>'} b" class="${'"x'}">`.markup, '<p title="a &#62; b" class="&#34;x">')
})

/** WCAG 2.2 contrast ratio of two #rrggbb colours. */
function contrast(one: string, other: string): number {
  const [high = 0, low = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
  return (high + 0.05) / (low + 0.05)
}
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const six = (colour: string) => (colour.length === 4 ? colour.replace(/[\da-f]/gi, '$&$&') : colour)

for (const accent of ['#2f5bea', '#000000', '#ffffff', '#777777', '#ffcc00', '#0a7', '#767676', '#ff0000']) {
  test(`the text of a button in ${accent} is readable (4.5:1)`, () => {
    const colour = /--on-accent:(#\w+)/.exec(stylesheet(accent))?.[1] ?? ''
    assert.ok(contrast(six(accent), six(colour)) >= 4.5)
  })
}

const schemes = [...stylesheet(undefined).matchAll(/:root\{(--page[^}]*)\}/g)].map(([, list = '']) =>
  Object.fromEntries([...list.matchAll(/--(\w+):(#\w+)/g)].map(([, name = '', colour = '']) => [name, six(colour)])),
)
test('there is a light and a dark scheme', () => assert.equal(schemes.length, 2))
for (const [index, colours] of schemes.entries()) {
  test(`in the ${index === 0 ? 'light' : 'dark'} scheme every text colour stands out from every ground (4.5:1)`, () => {
    for (const text of ['text', 'muted', 'bad', 'good', 'info']) {
      for (const ground of ['card', 'page', 'quiet']) {
        const ratio = contrast(colours[text] ?? '', colours[ground] ?? '')
        assert.ok(ratio >= 4.5, `${text} on ${ground}: ${ratio.toFixed(1)}`)
      }
    }
  })
}
