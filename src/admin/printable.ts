// Text from outside, on somebody's terminal. A person chooses their own name, and an escape sequence in it could rewrite what the
// operator reads, or make the terminal answer for them.

/** Controls, what changes direction or has no width, line separators, halves of characters: as `\u{1b}`. */
export const printable = (text: string): string =>
  text.replace(unprintable, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

/** Indented JSON that says the same and holds nothing that a terminal acts on. */
export const printableJSON = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(unprintable, (character) =>
    character === '\n' ? '\n' : escapedUnits(character),
  )

const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu

const escapedUnits = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, at) => String.raw`\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('')

/** Cells on a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += /\p{M}/u.test(character) ? 0 : wide.test(character) ? 2 : 1
  return width
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\uff01-\uff60\u3000-\u303f]|\p{Emoji_Presentation}/u

/** Cut to so many cells, the last of them `…` where something is missing, and filled with spaces. */
export function fitted(text: string, cells: number): string {
  let shown = text
  if (widthOf(text) > cells) {
    shown = ''
    for (const character of text) {
      if (widthOf(shown + character) > cells - 1) break
      shown += character
    }
    shown += '…'
  }
  return shown + ' '.repeat(Math.max(0, cells - widthOf(shown)))
}
