// The configuration as a whole: what config/ sees in it, and what the compilers of the rooms above could not work with.
import { headerFindings } from './access/identity-headers.ts'
import { ruleFindings } from './access/rules.ts'
import { readConfig, type ConfigSource, type LoadedConfig } from './config/load.ts'
import { lookFindings } from './pages/look.ts'

/** Throws ConfigInvalid with every problem at once, each with its line, and nothing else. */
export const loadConfig = (source: ConfigSource): LoadedConfig =>
  readConfig(source, [
    ruleFindings,
    ({ access }) => headerFindings(access),
    ({ pages, providers }) => lookFindings(pages, providers),
  ])
