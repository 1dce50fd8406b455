// From oauth2-proxy: flags, variables, its configuration file, Helm values, and the alpha configuration, together as it reads them.
import { oauth2ProxyName } from '../../config/moving.ts'
import { isRecord } from '../../config/yaml-file.ts'
import { readAssignments } from '../assignments.ts'
import { type Program, type Said, containersIn, flagsOf, wordsOf } from '../containers.ts'
import { Elsewhere, type Found, type LineOf, type Rank, placeOf } from '../found.ts'
import { type Input, MigrationInputError } from '../input.ts'

const SWITCHES =
  /^(?:cookie-(?:secure|httponly|csrf-per-request)|reverse-proxy|force-.*|skip-.*|pass-.*|set-.*|ssl-.*|insecure-.*|redis-(?:use|insecure)-.*|proxy-websockets|prefer-email-to-user|encode-state|request-logging|standard-logging|auth-logging|silence-ping-logging|session-cookie-minimal|gcp-healthchecks|disable-keep-alives|show-debug-on-error|display-htpasswd-form|errors-to-info-log|allow-query-semicolons|logging-(?:compress|local-time)|google-use-.*|use-system-trust-store|bearer-token-login-fallback|entra-id-federated-token-auth|version|config-test)$/

export const oauth2ProxyProgram: Program = {
  image: /oauth2[-_]?proxy/i,
  variable: /^OAUTH2_PROXY_/,
  // A regular expression follows these two.
  isSwitch: (flag) => SWITCHES.test(flag.replace(/^-+/, '')) && !/skip-auth-(?:route|regex)/.test(flag),
}

export interface OAuth2ProxyInput {
  readonly found: readonly Found[]
  readonly alpha: readonly AlphaPart[]
  /** Compose: the containers' network is known. */
  readonly isCompose: boolean
  /** It listens on the container's own address only where it says so: one that did not could not be reached. */
  readonly isContainer: boolean
  /** Annotations of ingress-nginx ask for `/oauth2/auth`. */
  readonly asksFrom: 'ingress-nginx' | undefined
}

/** One group of the alpha configuration, such as `providers`. */
export interface AlphaPart {
  readonly key: string
  readonly value: unknown
  readonly file: string
  readonly lineOf: LineOf
}

const ALPHA_KEYS = new Set([
  'upstreamconfig',
  'upstreams',
  'injectrequestheaders',
  'injectresponseheaders',
  'providers',
  'server',
  'metricsserver',
  'cookie',
  'session',
])

/** Throws MigrationInputError where the files hold nothing of oauth2-proxy, or two of them. */
export function readOAuth2Proxy(inputs: readonly Input[]): OAuth2ProxyInput {
  const found: Found[] = []
  const alpha: AlphaPart[] = []
  let isCompose = false
  let isContainer = false
  let asksFrom: OAuth2ProxyInput['asksFrom']
  for (const input of inputs) {
    const { file, text } = input
    if (input.form === 'assignments') {
      const isEnvironment = input.assignments.some(({ path: [name = ''] }) => name.startsWith('OAUTH2_PROXY_'))
      for (const { path, value, line } of input.assignments) {
        const name = path.join('.')
        // The environment of everything, and what Compose puts into its file: DOMAIN, TZ.
        if (isEnvironment && /^[A-Z][A-Z0-9_]*$/.test(name) && !name.startsWith('OAUTH2_PROXY_')) continue
        add(file, isEnvironment ? 'variable' : 'file')({ name, value, line })
      }
    } else if (input.form === 'command') {
      const words = wordsOf(text).map((word) => ({ word, line: 1 }))
      const { variables, rest } = dockerRun(words)
      for (const said of variables) add(file, 'variable')(said)
      for (const said of flagsOf(rest, oauth2ProxyProgram.isSwitch)) add(file, 'flag')(said)
    } else {
      const containers = containersIn(input.parts, oauth2ProxyProgram)
      if (containers.length > 1)
        throw new MigrationInputError(
          `${file}: has ${containers.length} containers of oauth2-proxy (lines ${containers.map(({ line }) => line).join(', ')}); give each a file of its own`,
        )
      isContainer = true
      for (const { flags, variables } of containers) {
        for (const said of flags) add(file, 'flag')(said)
        for (const said of variables) if (said.name.startsWith('OAUTH2_PROXY_')) add(file, 'variable')(said)
      }
      isCompose ||= input.parts.some(({ tree }) => isRecord(tree) && isRecord(tree['services']))
      if (/nginx\.ingress\.kubernetes\.io\/auth-url/.test(text)) asksFrom = 'ingress-nginx'
      for (const { tree, lineOf } of input.parts) fromTree(tree, { file, lineOf, isTop: true })
    }
  }
  if (found.length === 0 && alpha.length === 0) {
    throw new MigrationInputError(
      `${inputs.map(({ file }) => file).join(', ')}: nothing of oauth2-proxy is in it: no flags of its container, no OAUTH2_PROXY_* variables, no options`,
    )
  }
  return { found, alpha, isCompose, isContainer, asksFrom }

  function add(file: string, rank: Rank): (said: Said) => void {
    return ({ name, value, line }) => void found.push({ name, value, place: placeOf(file, line), rank })
  }

  /** Options as keys of YAML: a file of its own, Helm values, the texts in a ConfigMap. */
  function fromTree(tree: unknown, { file, lineOf, isTop }: { file: string; lineOf: LineOf; isTop: boolean }): void {
    if (!isRecord(tree)) return
    const keys = Object.keys(tree)
    if (
      isTop &&
      keys.some(
        (key) => ALPHA_KEYS.has(key.toLowerCase()) && key.toLowerCase() !== 'upstreams' && !('services' in tree),
      )
    ) {
      for (const [key, value] of Object.entries(tree))
        alpha.push({ key, value, file, lineOf: (path) => lineOf([key, ...path]) })
      return
    }
    if (isTop && keys.filter((key) => oauth2ProxyName(key) !== undefined).length > 1) {
      for (const [name, value] of Object.entries(tree)) add(file, 'file')({ name, value, line: lineOf([name]) })
      return
    }
    helm(tree, file, lineOf)
    const data = tree['data']
    if (tree['kind'] === 'ConfigMap' && isRecord(data)) {
      for (const [name, text] of Object.entries(data)) {
        const line = lineOf(['data', name])
        if (name.startsWith('OAUTH2_PROXY_')) add(file, 'variable')({ name, value: text, line })
        else embedded(text, file, line)
      }
    }
  }

  function helm(tree: Record<string, unknown>, file: string, lineOf: LineOf): void {
    const at = isRecord(tree['oauth2-proxy']) ? ['oauth2-proxy'] : []
    const values = isRecord(tree['oauth2-proxy']) ? tree['oauth2-proxy'] : tree
    const { config, extraArgs, extraEnv, alphaConfig } = values
    if (isRecord(config)) {
      for (const [name, value] of Object.entries(config)) {
        const line = lineOf([...at, 'config', name])
        if (name === 'configFile') embedded(value, file, line)
        else if (name === 'existingSecret') {
          for (const secret of ['client-id', 'client-secret', 'cookie-secret'])
            add(file, 'file')({ name: secret, value: new Elsewhere('the existing secret'), line })
        } else if (oauth2ProxyName(name) !== undefined) add(file, 'file')({ name, value, line })
      }
    }
    const storage = values['sessionStorage']
    if (isRecord(storage) && 'type' in storage)
      add(
        file,
        'file',
      )({ name: 'session_store_type', value: storage['type'], line: lineOf([...at, 'sessionStorage', 'type']) })
    if (isRecord(extraArgs)) {
      for (const [name, value] of Object.entries(extraArgs))
        add(file, 'flag')({ name, value, line: lineOf([...at, 'extraArgs', name]) })
    }
    if (Array.isArray(extraArgs)) {
      const words = extraArgs.flatMap((item, index) =>
        typeof item === 'string' ? [{ word: item, line: lineOf([...at, 'extraArgs', index]) }] : [],
      )
      for (const said of flagsOf(words, oauth2ProxyProgram.isSwitch)) add(file, 'flag')(said)
    }
    if (Array.isArray(extraEnv)) {
      for (const [index, item] of extraEnv.entries()) {
        if (!isRecord(item) || typeof item['name'] !== 'string' || !item['name'].startsWith('OAUTH2_PROXY_')) continue
        const value = item['valueFrom'] === undefined ? item['value'] : new Elsewhere('valueFrom')
        add(file, 'variable')({ name: item['name'], value, line: lineOf([...at, 'extraEnv', index]) })
      }
    }
    const data = isRecord(alphaConfig) ? alphaConfig['configData'] : undefined
    if (isRecord(data)) {
      for (const [key, value] of Object.entries(data))
        alpha.push({ key, value, file, lineOf: (path) => lineOf([...at, 'alphaConfig', 'configData', key, ...path]) })
    }
  }

  function embedded(text: unknown, file: string, line: number): void {
    if (typeof text !== 'string') return
    for (const { path, value, line: inner } of readAssignments(text) ?? []) {
      add(file, 'file')({ name: path.join('.'), value, line: line + inner })
    }
  }
}

/** `docker run -e NAME=value … image --flag`: the variables, and what follows. */
function dockerRun(words: readonly { word: string; line: number }[]): {
  variables: readonly Said[]
  rest: readonly { word: string; line: number }[]
} {
  const variables: Said[] = []
  const image = words.findIndex(
    ({ word }) => oauth2ProxyProgram.image.test(word) && !word.startsWith('-') && !word.includes('='),
  )
  for (const { word, line } of words) {
    const [, name, value] = /^(?:--env=|-e)?(OAUTH2_PROXY_[A-Z0-9_]+)=(.*)$/s.exec(word) ?? []
    if (name !== undefined) variables.push({ name, value, line })
  }
  return { variables, rest: image < 0 ? words : words.slice(image + 1) }
}
