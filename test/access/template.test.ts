import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compileTemplate } from '../../src/access/template.ts'
import { ConfigInvalid } from '../../src/errors.ts'
import { headerSafe } from '../../src/access/header-value.ts'

const context = {
  claims: {
    email: 'alice@example.com',
    name: 'Jürgen',
    groups: ['dev', 'a,b', 7, null, ''],
    empty: '',
    none: null,
    list: [],
    staff: false,
    zero: 0,
    address: { city: 'Ulm' },
    'https://x.example/roles': ['ns'],
    'cognito:groups': ['g'],
  },
  tokens: { accessToken: 'access-1', idToken: 'id-1' },
}

const rendered: [template: string, text: string][] = [
  ['', ''],
  ['plain text', 'plain text'],
  ['{{.Claims.email}}', 'alice@example.com'],
  ['{{ .Claims.email }}', 'alice@example.com'],
  ['{{\n.Claims.email\t}}', 'alice@example.com'],
  ['<{{.Claims.name}}>', '<Jürgen>'],
  ['{{.Claims.address.city}}', 'Ulm'],
  ['{{.Claims.address}}', '{"city":"Ulm"}'],
  ['{{.Claims.cognito:groups}}', 'g'],
  ['{{.Claims.staff}} {{.Claims.zero}}', 'false 0'],
  ['{{.Claims.groups}}', 'dev,a%2Cb,7'],
  ['{{.Claims.missing}}', ''],
  ['{{.Claims.missing.more}}', ''],
  ['{{.Claims.none}}', ''],
  ['{{.Claims.constructor}}{{.Claims.__proto__}}', ''],
  ['Bearer {{.AccessToken}}', 'Bearer access-1'],
  ['{{.IDToken}}/{{.IdToken}}', 'id-1/id-1'],
  ['{{get .Claims "https://x.example/roles"}}', 'ns'],
  ['{{get .Claims "address.city"}}', 'Ulm'],
  ['{{index .Claims `cognito:groups`}}', 'g'],
  ['{{get .Claims "missing"}}', ''],
  ['{{default "x" .Claims.missing}}', 'x'],
  ['{{default "x" .Claims.empty}}{{default "y" .Claims.none}}{{default "z" .Claims.list}}', 'xyz'],
  ['{{default "x" .Claims.email}}', 'alice@example.com'],
  ['{{default "x" .Claims.staff}}{{default "x" .Claims.zero}}', 'false0'],
  ['{{.Claims.missing | default "x"}}', 'x'],
  ['{{get .Claims "missing" | default "x"}}', 'x'],
  ['{{default "x" (get .Claims "missing")}}', 'x'],
  ['{{default .Claims.email .Claims.missing}}', 'alice@example.com'],
  ['{{.Claims.a | default .Claims.b | default "last"}}', 'last'],
  ['{{default "}}" .Claims.missing}}', '}}'],
  ['{{default "\\"q\\" \\u00fc" .Claims.missing}}', '"q" ü'],
  ['{{"text"}}', 'text'],
  ['[[.Claims.email]] {x}', '[[.Claims.email]] {x}'],
]
const otherPrograms: [template: string, text: string][] = [
  ['{{{{.Claims.email}}}}', 'alice@example.com'],
  ['Bearer {{{{ .AccessToken }}}}', 'Bearer access-1'],
  ['{{{{.Claims.email}}}} {{.Claims.staff}}', 'alice@example.com false'],
  ['{{{{ default "x" .Claims.none }}}}', 'x'],
  ['{{ .claims.email }}', 'alice@example.com'],
  ['{{`{{ .claims.email }}`}}', 'alice@example.com'],
  ['Bearer {{`{{ .accessToken }}`}}', 'Bearer access-1'],
  ['{{ "{{ .idToken }}" }}', 'id-1'],
  ['{{ "{{ get .claims \\"cognito:groups\\" }}" }}', 'g'],
  ['{{`plain`}}', 'plain'],
  ['{{get .claims "email"}}', 'alice@example.com'],
]
for (const [template, text] of otherPrograms) {
  test(`as published elsewhere, ${JSON.stringify(template)} gives ${JSON.stringify(text)} (D3)`, () => {
    assert.equal(compileTemplate(template).render(context), text)
  })
}

test('a template in the text of another one cannot be fed by a claim (D3)', () => {
  const claims = { email: '{{.AccessToken}}', list: ['`{{.IDToken}}`'] }
  for (const template of [
    '{{.Claims.email}}',
    '{{{{.Claims.email}}}}',
    '{{`{{.claims.email}}`}}',
    '{{.Claims.list}}',
  ]) {
    assert.doesNotMatch(compileTemplate(template).render({ claims, tokens: context.tokens }), /access-1|id-1/)
  }
})

for (const [template, text] of rendered) {
  test(`the template ${JSON.stringify(template)} gives ${JSON.stringify(text)}`, () => {
    assert.equal(compileTemplate(template).render(context), text)
  })
}

const refused: [template: string, problem: RegExp][] = [
  ['{{.RefreshToken}}', /column 3: a refresh token is never given/],
  ['x {{ .Claims }}', /column 6: `\.Claims` needs a claim/],
  ['{{.Claim.email}}', /column 3: `\.Claim\.email` is not known/],
  ['{{.AccessToken.x}}', /column 3: .* is not known/],
  ['{{.}}', /column 3: unexpected `\.`/],
  ['{{}}', /column 3: expected a value before `}}`/],
  ['{{', /column 3: `{{` is never closed/],
  ['{{.Claims.email', /`{{` is never closed/],
  ['{{.Claims.email}', /column 16: unexpected `}`/],
  ['a}}', /column 2: `}}` without `{{`/],
  ['{{.Claims.a}} }}', /column 15: `}}` without/],
  ['{{{{.Claims.email}}', /column 20: `{{{{` ends with `}}}}`/],
  ['{{.Claims.email}}}}', /column 18: `}}` without/],
  [
    '{{if .Claims.a}}x{{end}}',
    /column 3: `if` is not supported; what is missing is empty, and {{default "x" \.Claims\.y}}/,
  ],
  ['{{ with .Claims.a }}{{ . }}{{ end }}', /`with` is not supported; what is missing is empty/],
  ['{{range .Claims.groups}}{{.}}{{end}}', /`range` is not supported; a list comes out joined with commas/],
  [
    '{{{{range $i, $e := .Claims.roles}}}}{{{{if $i}}}},{{{{end}}}}{{{{$e}}}}{{{{end}}}}',
    /`range` is not supported; a list comes out joined with commas: {{\.Claims\.roles}}/,
  ],
  ['{{ join "," .Claims.groups }}', /`join` is not supported; a list comes out joined/],
  ['{{ env "SECRET" }}', /`env` is not supported; an environment variable is \$\{NAME\}/],
  ['{{`{{ .claims }}`}}', /needs a claim/],
  ['{{ .refreshToken }}', /a refresh token is never given/],
  ['{{ .Claims.groups | join "," }}', /only `default "…"` may follow `\|`; a list comes out joined/],
  ['{{ .Claims.groups | toString }}', /only `default "…"` may follow `\|`$/],
  ['{{constructor}}', /`constructor` is not supported; there are/],
  ['{{upper .Claims.a}}', /`upper` is not supported/],
  ['{{.Claims.a | upper}}', /column 15: only `default/],
  ['{{.Claims.a | get .Claims "b"}}', /only `default/],
  ['{{.Claims.a .Claims.b}}', /column 13: expected `\|` or `}}`, found `\.Claims\.b`/],
  ['{{get .Claims}}', /column 14: expected a claim's name in quotes before `}}`/],
  ['{{get "a" .Claims}}', /expected `\.Claims`, found `"a"`/],
  ['{{default "x"}}', /expected a value before `}}`/],
  ['{{default "x" (.Claims.a}}', /expected `\|` or `\)` before `}}`/],
  ['{{.Claims.a)}}', /expected `\|` or `}}`, found `\)`/],
  ['{{default "\\x" .Claims.a}}', /column 11: .* escape/],
  ['{{default "open .Claims.a}}', /unexpected `"`/],
  ['{{- .Claims.a -}}', /unexpected `-`/],
  [`{{${'('.repeat(21)}.Claims.a${')'.repeat(21)}}}`, /column 23: more than 20 brackets/],
]
for (const [template, problem] of refused) {
  test(`the template ${JSON.stringify(template)} is refused at start`, () => {
    assert.throws(
      () => compileTemplate(template),
      (error) => error instanceof ConfigInvalid && problem.test(error.message),
    )
  })
}

test('a template knows which claims it reads and whether it needs tokens', () => {
  const template = compileTemplate('{{.Claims.a.b}} {{get .Claims "c.d" | default .Claims.e}}')
  assert.deepEqual(template.claimPaths, ['a.b', 'c.d', 'e'])
  assert.deepEqual(template.neededClaims, ['a.b', 'e'])
  assert.equal(template.needsTokens, false)
  assert.equal(compileTemplate('{{.IdToken}}').needsTokens, true)
})

test('a token that is not there leaves the header empty instead of half a credential', () => {
  const template = compileTemplate('Bearer {{.AccessToken}}')
  assert.equal(template.render({ claims: {}, tokens: undefined }), '')
  assert.equal(template.render({ claims: {}, tokens: { accessToken: '', idToken: undefined } }), '')
  assert.equal(
    compileTemplate('{{.IDToken}}').render({ claims: {}, tokens: { accessToken: 'a', idToken: undefined } }),
    '',
  )
})

test('values are encoded, the text around them is not, and a comma cannot add an element to a list', () => {
  const template = compileTemplate('n={{.Claims.name}};g={{.Claims.groups}}')
  assert.equal(
    template.render({ claims: { name: '\r\nx: ü', groups: ['a,b', '%2C'] }, tokens: undefined }, headerSafe),
    'n=%0D%0Ax: %C3%BC;g=a%2Cb,%252C',
  )
})

test('brackets as deep as the stack are refused as too many, and 20 are not', () => {
  assert.throws(() => compileTemplate(`{{${'('.repeat(100_000)}`), ConfigInvalid)
  assert.equal(compileTemplate(`{{${'('.repeat(20)}"a"${')'.repeat(20)}}} {{("b")}}`).render(context), 'a b')
})

test('any text compiles or is refused with a column, and what compiles renders any claims', () => {
  const piece = fc.constantFrom(
    '{{',
    '}}',
    '.Claims.a',
    '.Claims',
    '.IDToken',
    ' ',
    '"x"',
    '`',
    '"',
    '|',
    '(',
    ')',
    'get',
    'default',
    'x',
    '\\',
    '\n',
    'ü',
  )
  fc.assert(
    fc.property(fc.array(piece), fc.jsonValue(), (pieces, a) => {
      try {
        const template = compileTemplate(pieces.join(''))
        assert.doesNotMatch(template.render({ claims: { a }, tokens: undefined }), /undefined|no value|\[object/)
      } catch (error) {
        if (!(error instanceof ConfigInvalid)) throw error
        assert.match(error.message, /^column \d+: /)
      }
    }),
    { numRuns: 3_000 },
  )
})
