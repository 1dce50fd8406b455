// What an operator may choose of our pages' look. Both become part of the markup: nothing but a picture's address and a colour
// may pass.
import type { PagesConfig, ProviderEntry } from '../config/config.ts'
import type { Finding } from '../config/problems.ts'

export type LogoOf = Pick<ProviderEntry, 'name' | 'logo'>

/** Everything about the look that could not be used. */
export function lookFindings(
  { logo, accentColor }: Pick<PagesConfig, 'logo' | 'accentColor'>,
  providers: readonly LogoOf[] = [],
): readonly Finding[] {
  const findings: Finding[] = []
  const logos = [
    { path: ['pages', 'logo'], logo },
    ...providers.map((one) => ({ path: ['providers', one.name, 'logo'], logo: one.logo })),
  ]
  for (const { path, logo: written } of logos) {
    if (written === undefined || isPicture(written)) continue
    findings.push({ path, message: 'must be a data:image/… URI (percent-encoded or base64) or an https URL' })
  }
  if (accentColor !== undefined && colourChannels(accentColor) === undefined) {
    const message = 'must be a colour such as "#0a7" or "#00aa77" (in quotes: YAML takes # for a comment)'
    findings.push({ path: ['pages', 'accentColor'], message })
  }
  return findings
}

function isPicture(logo: string): boolean {
  if (/^data:image\/[a-z+.-]+[;,][\w%+/=;,.:!*'()~-]*$/i.test(logo)) return true
  return URL.canParse(logo) && new URL(logo).protocol === 'https:' && !/[\s"'<>]/.test(logo)
}

/** Red, green and blue (0 to 255) of `#rgb` or `#rrggbb`; undefined for anything else. */
export function colourChannels(colour: string): readonly number[] | undefined {
  const [, r, g, b, rr, gg, bb] =
    /^#(?:([\da-f])([\da-f])([\da-f])|([\da-f]{2})([\da-f]{2})([\da-f]{2}))$/i.exec(colour) ?? []
  if (r === undefined && rr === undefined) return undefined
  return [rr ?? `${r}${r}`, gg ?? `${g}${g}`, bb ?? `${b}${b}`].map((pair) => Number.parseInt(pair, 16))
}
