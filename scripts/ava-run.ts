// One run of ava over test files: prints a line per test as it ends and returns what became of each.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = join(import.meta.dirname, '..')
const flags = ['--disable-warning=ExperimentalWarning']

/** A test that did not pass: its title as ava prints it, and the lines that say why. */
export interface Failure {
  readonly title: string
  readonly details: readonly string[]
}

export interface RunResult {
  readonly passed: readonly string[]
  readonly failures: readonly Failure[]
  readonly skipped: number
}

/** Runs ava with `args` (files, options); resolves when it has ended. A crash without a failed test is a failure. */
export async function runAva(args: readonly string[]): Promise<RunResult> {
  const ava = join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs')
  const child = spawn(process.execPath, [...flags, ava, '--tap', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: flags.join(' ') },
  })
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forward)
  const ended = new Promise<number>((resolve) => child.on('close', (exit) => resolve(exit ?? 1)))

  const passed: string[] = []
  const failures: { title: string; details: string[] }[] = []
  let skipped = 0
  let details: string[] | undefined
  const started = performance.now()
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1).padStart(6)
  for await (const line of createInterface({ input: child.stdout })) {
    const result = /^(not )?ok \d+ - (.*)$/.exec(line)
    if (result === null) {
      // Between two results TAP carries the YAML details of a failure and console output as comments.
      if (/^(TAP version|1\.\.\d+|# (tests|pass|fail|skip) )/.test(line)) continue
      console.log(line)
      details?.push(line)
      continue
    }
    const [, not, title = ''] = result
    details = undefined
    if (/# (SKIP|TODO)/.test(title)) skipped += 1
    else if (not === undefined) passed.push(title)
    else failures.push({ title, details: (details = []) })
    console.log(`${seconds()}s ${not === undefined ? 'ok    ' : 'FAILED'} ${title}`)
  }
  const code = await ended
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, forward)
  // A crash of ava itself, or of a test file outside any test, has no 'not ok' line: it is a failure all the same.
  if (code !== 0 && failures.length === 0) failures.push({ title: `ava ended with ${code}`, details: [] })
  return { passed, failures, skipped }
}

/** The file of a test, of its title `folder › folder › file › test`; undefined when there is none. */
export function testFile(title: string): string | undefined {
  const parts = title.split(' › ')
  for (let length = parts.length - 1; length > 0; length -= 1) {
    const path = `${join('test', ...parts.slice(0, length))}.test.ts`
    if (existsSync(join(root, path))) return path
  }
  return undefined
}

/** The title of a test of a run of one file, where ava leaves the file out, as a run of several names it. */
export function titleIn(file: string, title: string): string {
  const prefix = `${file
    .replace(/^test\//, '')
    .replace(/\.test\.ts$/, '')
    .replaceAll('/', ' › ')} › `
  return title.startsWith(prefix) ? title : prefix + title
}
