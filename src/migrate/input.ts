// The files that were given, as text whose form is told by what is in it: YAML (one document or several), lines of `name = value`, or
// a command line.
import { pathText } from '../config/problems.ts'
import { readYaml, type YamlPart } from '../config/yaml-file.ts'
import { readAssignments, type Assignment } from './assignments.ts'

export interface InputFile {
  /** As it is named in the report; `-` is standard input. */
  readonly name: string
  readonly text: string
}

/** It cannot be read, or nothing of the source is in it. The message names no value. */
export class MigrationInputError extends Error {}

export type Input = { readonly file: string; readonly text: string } & (
  | { readonly form: 'yaml'; readonly parts: readonly YamlPart[] }
  | { readonly form: 'assignments'; readonly assignments: readonly Assignment[] }
  | { readonly form: 'command' }
)

const MAX_BYTES = 2_000_000

/** Throws MigrationInputError. */
export function readInput({ name: file, text }: InputFile): Input {
  if (text.length > MAX_BYTES) throw new MigrationInputError(`${file}: is larger than a configuration could be`)
  if (text.includes('\0')) throw new MigrationInputError(`${file}: is not UTF-8 text`)
  const assignments = readAssignments(text)
  if (assignments !== undefined) return { file, text, form: 'assignments', assignments }
  const { parts, problems, isReadable } = readYaml(text)
  const hasStructure = parts.some(({ tree }) => typeof tree === 'object')
  const [problem] = problems
  // What is given twice, or has a tag that another program follows, could be the very limit that is looked for.
  if (isReadable && hasStructure && problem === undefined) return { file, text, form: 'yaml', parts }
  if (problem === undefined && /(?:^|\s)--?[a-z][\w.-]+/i.test(text) && !isYamlLike(text))
    return { file, text, form: 'command' }
  if (problem !== undefined) {
    const name = problem.path.length === 0 ? '' : `${pathText(problem.path)}: `
    throw new MigrationInputError(`${file}:${problem.line}: ${name}${problem.message}`)
  }
  throw new MigrationInputError(`${file}: is neither YAML, nor lines of name = value, nor a command line`)
}

const isYamlLike = (text: string): boolean => /^\s*(?:- )?[\w.-]+:(?:\s|$)/m.test(text)
