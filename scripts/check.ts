// `npm run check`: types, lint and import direction, side by side. Exit code 1 when any of them finds something.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { importViolations } from './import-direction.ts'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')

interface Outcome {
  readonly name: string
  readonly failed: boolean
  readonly output: string
}

function run(name: string, command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', (error) => resolve({ name, failed: true, output: error.message }))
    child.on('close', (code) => resolve({ name, failed: code !== 0, output }))
  })
}

function directions(): Outcome {
  const violations = importViolations(root)
  const output = violations.map(({ file, line, message }) => `${file}:${line}: ${message}\n`).join('')
  return { name: 'imports', failed: violations.length > 0, output }
}

const outcomes = await Promise.all([
  run('types', process.execPath, [join(bin, 'tsc'), '-p', root]),
  run('lint', process.execPath, [join(bin, 'biome'), 'check', '--error-on-warnings', '.']),
  directions(),
])
for (const { name, failed, output } of outcomes) {
  console.log(`${failed ? 'FAILED' : 'ok    '} ${name}`)
  if (failed) console.log(output)
}
process.exitCode = outcomes.some(({ failed }) => failed) ? 1 : 0
