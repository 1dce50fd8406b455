import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { narrowTemplates } from './narrow-templates.ts'
import { runSeed } from './run.ts'
import { templates } from './templates.ts'

const command = fileURLToPath(new URL('simulate.ts', import.meta.url))

/** Nothing but what the command says of its failures. */
async function failuresOf(...options: string[]): Promise<string> {
  const jobs = String(Math.min(2, availableParallelism()))
  return promisify(execFile)(process.execPath, [command, '--jobs', jobs, ...options]).then(
    () => '',
    (error: unknown) => (error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)),
  )
}

describe('replicas, Redis and passes under every kind of trouble', () => {
  it('let nobody in who should be out, and nobody out who should be in: 400 schedules', async () => {
    assert.equal(await failuresOf('--seeds', '400'), '')
  })

  for (const name of Object.keys({ ...templates, ...narrowTemplates })) {
    it(`hold when a schedule goes for trouble of the kind "${name}": 60 schedules`, async () => {
      assert.equal(await failuresOf('--seeds', '60', '--from', '100001', '--template', name), '')
    })
  }

  it('are the same run for the same seed, word for word', async () => {
    for (const seed of [1, 2, 3, 17, 4_711]) {
      const first = await runSeed({ seed, isTold: true })
      const second = await runSeed({ seed, isTold: true })
      assert.equal(first.hash, second.hash)
      assert.ok(first.lines.length > 50, 'a story was told')
    }
  })
})
