// Where the options of traefik-forward-auth stand: its container's flags and variables, its INI file, an environment file.
import { traefikForwardAuthMove } from '../../config/moving.ts'
import { isRecord } from '../../config/yaml-file.ts'
import { readAssignments } from '../assignments.ts'
import { type Program, type Said, containersIn, flagsOf, wordsOf } from '../containers.ts'
import { type Found, type Rank, placeOf } from '../found.ts'
import { type Input, MigrationInputError } from '../input.ts'

export type Take = (name: string) => Found | undefined

const program: Program = {
  image: /traefik-forward-auth/i,
  variable: /^PROVIDERS_(?:GOOGLE|OIDC|GENERIC_OAUTH)_|^PROVIDER_URI$/,
  isSwitch: (flag) =>
    /^-+(?:insecure-cookie|match-whitelist-or-domain|enable-.*|case-insensitive-subjects)$/.test(flag),
}

/** Throws MigrationInputError where nothing of it is in the files, or two of them. */
export function readForwardAuth(inputs: readonly Input[]): { found: readonly Found[]; isCompose: boolean } {
  const found: Found[] = []
  const add =
    (file: string, rank: Rank) =>
    ({ name, value, line }: Said) =>
      void found.push({ name, value, place: placeOf(file, line), rank })
  let isCompose = false
  for (const input of inputs) {
    const { file } = input
    if (input.form === 'assignments') {
      for (const { path, value, line } of input.assignments) add(file, 'file')({ name: path.join('.'), value, line })
    } else if (input.form === 'command') {
      for (const said of flagsOf(
        wordsOf(input.text).map((word) => ({ word, line: 1 })),
        program.isSwitch,
      ))
        add(file, 'flag')(said)
    } else {
      const containers = containersIn(input.parts, program)
      if (containers.length > 1)
        throw new MigrationInputError(
          `${file}: has ${containers.length} containers of traefik-forward-auth (lines ${containers.map(({ line }) => line).join(', ')}); give each a file of its own`,
        )
      for (const { flags, variables } of containers) {
        for (const said of flags) add(file, 'flag')(said)
        for (const said of variables)
          if (traefikForwardAuthMove(said.name) !== undefined || /^[A-Z]+_[A-Z_]+$/.test(said.name))
            add(file, 'variable')(said)
      }
      for (const { tree, lineOf } of input.parts) {
        if (!isRecord(tree)) continue
        isCompose ||= isRecord(tree['services'])
        const data = tree['data']
        if (tree['kind'] !== 'ConfigMap' || !isRecord(data)) continue
        for (const [name, text] of Object.entries(data)) {
          const line = lineOf(['data', name])
          if (typeof text === 'string')
            for (const one of readAssignments(text) ?? [])
              add(file, 'file')({ name: one.path.join('.'), value: one.value, line: line + one.line })
        }
      }
    }
  }
  if (!found.some(({ name }) => traefikForwardAuthMove(name) !== undefined || /^-*rules?\./.test(name))) {
    throw new MigrationInputError(
      `${inputs.map(({ file }) => file).join(', ')}: nothing of traefik-forward-auth is in it: neither its container, nor its options`,
    )
  }
  return { found, isCompose }
}
