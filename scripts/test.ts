// `npm test [-- ava arguments]`: runs ava, prints progress per test and ends with the line 'N passed, N failed'.
// The files of a few failed tests are run once more, one at a time: what passes then needed a quieter machine. It is
// named as unsteady in the summary (and is to be mended); what fails again has failed.
import { sweepDeadNamespaces } from '../test/support/index.ts'
import { type Failure, runAva, testFile, titleIn } from './ava-run.ts'

const MOST_REPEATED_FILES = 6

function sweep(): void {
  const swept = sweepDeadNamespaces()
  if (swept.length > 0) console.log(`removed what a crashed run left: ${swept.join(' ')}`)
}

/** Of `failures`, those that fail again when their files are run by themselves. */
async function repeat(
  failures: readonly Failure[],
): Promise<{ failed: readonly Failure[]; unsteady: string[] }> {
  const files = new Set(failures.map(({ title }) => testFile(title)))
  if (files.has(undefined) || files.size > MOST_REPEATED_FILES) return { failed: failures, unsteady: [] }
  console.log(`\nonce more, one file at a time: ${[...files].join(' ')}`)
  const passed: string[] = []
  const again: Failure[] = []
  for (const file of [...files].filter((path) => path !== undefined)) {
    const run = await runAva(['--serial', file])
    passed.push(...run.passed.map((title) => titleIn(file, title)))
    again.push(...run.failures.map((failure) => ({ ...failure, title: titleIn(file, failure.title) })))
  }
  const passedNow = new Set(passed)
  const unsteady = failures.map(({ title }) => title).filter((title) => passedNow.has(title))
  const known = new Set(again.map(({ title }) => title))
  const lost = failures.filter(({ title }) => !passedNow.has(title) && !known.has(title))
  return { failed: [...again, ...lost], unsteady }
}

sweep()
const first = await runAva(['--concurrency', '3', ...process.argv.slice(2)])
const { failed, unsteady } =
  first.failures.length === 0 ? { failed: [], unsteady: [] } : await repeat(first.failures)
sweep()

for (const { title, details } of failed) console.log([`\nFAILED ${title}`, ...details].join('\n'))
for (const title of unsteady) console.log(`\nunsteady (failed beside others, passed alone): ${title}`)
let passed = first.passed.length + unsteady.length
// A test that passed the first time and failed the second is a failure, not both.
const passedFirst = new Set(first.passed)
passed -= failed.filter(({ title }) => passedFirst.has(title)).length
const bad = failed.length > 0 || passed === 0
console.log(
  `\n${passed} passed, ${failed.length || Number(bad)} failed${first.skipped > 0 ? `, ${first.skipped} skipped` : ''}`,
)
process.exitCode = bad ? 1 : 0
