// `npm run bench -- [auth|seed] [--json]`. Without a name: what `--json` promises, the seed's table.
import { benchAuth } from './auth.ts'

const asJSON = process.argv.includes('--json')
const [name = 'seed'] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

switch (name) {
  case 'auth': {
    const figures = await benchAuth()
    if (asJSON) console.log(JSON.stringify({ auth: figures }))
    else {
      console.log(`bare Fastify handler  ${figures.bareMicros.toFixed(1)} us of CPU per request`)
      console.log(`Foregate /auth        ${figures.foregateMicros.toFixed(1)} us of CPU per request`)
      console.log(`ratio                 ${figures.ratio.toFixed(2)} (rounds: ${figures.ratios.map((r) => r.toFixed(2)).join(' ')})`)
    }
    break
  }
  default:
    console.error(`bench: unknown benchmark ${name}: auth or seed`)
    process.exitCode = 2
}
