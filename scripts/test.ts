// `npm test [-- ava arguments]`: runs ava, prints progress per test and ends with the line 'N passed, N failed'.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { sweepDeadNamespaces } from '../test/support/index.ts'

const root = join(import.meta.dirname, '..')
const swept = sweepDeadNamespaces()
if (swept.length > 0) console.log(`removed what a crashed run left: ${swept.join(' ')}`)

const ava = join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs')
const flags = ['--disable-warning=ExperimentalWarning']
const child = spawn(
  process.execPath,
  [...flags, ava, '--tap', '--concurrency', '3', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: flags.join(' ') },
  },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))

let passed = 0
let failed = 0
let skipped = 0
const started = performance.now()
const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1).padStart(6)
for await (const line of createInterface({ input: child.stdout })) {
  const result = /^(not )?ok \d+ - (.*)$/.exec(line)
  if (result === null) {
    // Between two results TAP carries the YAML details of a failure and console output as comments.
    if (!/^(TAP version|1\.\.\d+|# (tests|pass|fail|skip) )/.test(line)) console.log(line)
    continue
  }
  const [, not, title] = result
  if (/# (SKIP|TODO)/.test(title ?? '')) skipped += 1
  else if (not === undefined) passed += 1
  else failed += 1
  console.log(`${seconds()}s ${not === undefined ? 'ok    ' : 'FAILED'} ${title}`)
}
const code = await new Promise<number>((resolve) => {
  if (child.exitCode !== null) resolve(child.exitCode)
  else child.on('close', (exit) => resolve(exit ?? 1))
})
// A crash of ava itself, or of a test file outside any test, has no 'not ok' line: it is a failure all the same.
if (code !== 0 && failed === 0) failed = 1
if (passed + failed === 0) failed = 1
sweepDeadNamespaces()
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 ? 1 : 0
