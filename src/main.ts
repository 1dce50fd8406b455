#!/usr/bin/env node
// Where the process begins. Compiled code is kept beside the packages, which halves the CPU time of the next start; where the
// place cannot be written (a read-only image), everything is compiled anew. Not in the shared temporary folder: whoever can
// write there first would choose what we run.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/foregate', import.meta.url)))
const { run } = await import('./process.ts')
const code = await run()
if (code !== undefined) process.exit(code)
