// `npm run bench -- [auth|seed|revoke] [--json]`. Without a name: what `--json` prints, the table of speeds in README.md.
import { benchAuth } from './auth.ts'
import { benchRevoke } from './revoke.ts'
import { benchSeed, promised } from './seed.ts'

const asJSON = process.argv.includes('--json')
const name = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? 'seed'

switch (name) {
  case 'auth': {
    const auth = await benchAuth()
    if (asJSON) console.log(JSON.stringify({ auth }))
    else {
      console.log('| | us of CPU per request | ratio to bare | rounds |\n|---|---|---|---|')
      for (const name of ['bare', 'memory', 'hybrid', 'redis'] as const) {
        const { micros, ratio, ratios } = auth[name]
        const all = ratios.map((each) => each.toFixed(2)).join(' ')
        console.log(`| ${name} | ${micros.toFixed(1)} | ${ratio.toFixed(2)} | ${all} |`)
      }
    }
    break
  }
  case 'seed': {
    const seedTable = await benchSeed()
    if (asJSON) console.log(JSON.stringify({ seedTable }))
    else {
      console.log('| | memory | redis | hybrid |\n|---|---|---|---|')
      for (const cell of ['readP50Ms', 'readP99Ms', 'writeP50Ms', 'opsPerSecond'] as const) {
        const columns = (['memory', 'redis', 'hybrid'] as const).map(
          (mode) => `${seedTable[mode][cell]} (promised ${promised[mode][cell]})`,
        )
        console.log(`| ${cell} | ${columns.join(' | ')} |`)
      }
    }
    break
  }
  case 'revoke': {
    const costs = await benchRevoke(100_000)
    if (asJSON) console.log(JSON.stringify(costs))
    else {
      console.log('| | sessions | ended or listed | took | of Redis’ time | commands |\n|---|---|---|---|---|---|')
      for (const name of ['list', 'revoke', 'all'] as const) {
        const { sessions, ended, tookMs, redisMs, calls } = costs[name]
        const commands = Object.entries(calls).map(([command, count]) => `${count} ${command}`)
        console.log(
          `| ${name} | ${sessions} | ${ended} | ${tookMs.toFixed(0)} ms | ${redisMs.toFixed(1)} ms | ${commands.join(', ')} |`,
        )
      }
    }
    break
  }
  default:
    console.error(`bench: unknown benchmark ${name}: auth, seed or revoke`)
    process.exitCode = 2
}
