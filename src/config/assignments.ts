// A file of `name = value` lines: oauth2-proxy's configuration, an environment file, labels one a line. No YAML, but told apart so
// that each line can be answered with what to write here.
import { moveWords, oauth2ProxyMove } from './moving.ts'
import type { Label } from './pasted.ts'
import type { YamlProblem } from './yaml-file.ts'

const ASSIGNMENT = /^\s*(?:export\s+)?(?:- ?)?(?:--)?["']?([A-Za-z][\w.[\]-]*)\s*=\s*(.*?)\s*$/

/** The lines, or undefined where the text is something else. */
export function assignmentsIn(text: string): readonly Label[] | undefined {
  const lines = text.split(/\r?\n/).map((line, index) => ({ line, number: index + 1 }))
  const said = lines.filter(({ line }) => !/^\s*(?:[#;].*)?$/.test(line))
  const [first] = said
  if (first === undefined || !(ASSIGNMENT.test(first.line) || /^\s*\[[^\]]+\]\s*$/.test(first.line))) return undefined
  // A key of YAML anywhere, or a list: then it is YAML with a mistake.
  if (said.some(({ line }) => /^\s*[\w.-]+:(?:\s|$)|^\s*-\s/.test(line))) return undefined
  return said.flatMap(({ line, number }) => {
    const [, name, value = ''] = ASSIGNMENT.exec(line) ?? []
    return name === undefined ? [] : [{ name, value: value.replace(/^(["'])(.*)\1$/s, '$2'), line: number }]
  })
}

export function assignmentProblems(assignments: readonly Label[]): readonly YamlProblem[] {
  const first: YamlProblem = {
    path: [],
    line: assignments[0]?.line ?? 1,
    message:
      'is no YAML but lines of name = value, as TOML and environment files have them; write `name: value`, or set the variables',
  }
  const moves = assignments.flatMap(({ name, line }): YamlProblem[] => {
    const move = oauth2ProxyMove(name)
    return move === undefined ? [] : [{ path: [name], line, message: moveWords('oauth2-proxy', move) }]
  })
  return [first, ...moves]
}
