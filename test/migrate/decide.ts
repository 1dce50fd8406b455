// What a migrated configuration lets through without a login, asked of the compiled rules themselves.
import { randomBytes } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { originalRequest } from '../../src/access/canonical.ts'
import { compileRules, type CompiledRules } from '../../src/access/rules.ts'
import { loadConfig } from '../../src/load-config.ts'
import type { Migration } from '../../src/migrate/finish.ts'
import type { Config } from '../../src/config/config.ts'

export function loaded({ config, report }: Migration): Config {
  const env = Object.fromEntries(report.set.map(({ name }) => [name, operatorsValue(name)]))
  return loadConfig({ text: config, env, readFile: certificateOrSecret }).config
}

/** What an operator would set a variable to. */
export function operatorsValue(variable: string): string {
  if (variable.endsWith('PROVIDER_URL')) return 'https://login.example.net'
  if (variable.endsWith('REDIS_URL')) return 'redis://redis.example.net:6379'
  if (/KEY|SECRET|PASSWORD|OIDC/.test(variable)) return randomBytes(36).toString('base64')
  return 'example.net'
}

const certificateOrSecret = (path: string): string =>
  path.endsWith('.pem') ? (rootCertificates[0] ?? '') : randomBytes(36).toString('hex')

export const rulesOf = (migration: Migration): CompiledRules => compileRules(loaded(migration))

/** `GET https://app.example.com/x` */
export function policyOf(rules: CompiledRules, request: string, client?: string): string {
  const [, method = 'GET', host = 'app.example.com', target = '/'] =
    /^(?:([A-Z]+) )?(?:https:\/\/([^/]+))?(\/.*)$/.exec(request) ?? []
  const policy = rules.policyFor(originalRequest({ method, scheme: 'https', host, target }), client)
  return policy.kind
}
