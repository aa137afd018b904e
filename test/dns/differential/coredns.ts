/** The peer: CoreDNS itself, built once from bench/dns/coredns and kept between runs. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { stopProcess, type Teardown, tryCommand } from '../../support/index.ts'

const source = join(import.meta.dirname, '../../../bench/dns/coredns')

/** Where the binary is kept, by what it is built from. */
export const binary = ((): string => {
  const sources = ['go.mod', 'standard/main.go'].map((name) => readFileSync(join(source, name), 'utf8'))
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'plexus', `coredns-${hash('sha256', sources.join('')).slice(0, 12)}`)
})()

/** Why there is nothing to compare with here, as one line; undefined when there is. Builds it, which takes minutes. */
export function missingCoredns(): string | undefined {
  if (process.env['PLEXUS_LONG'] === undefined) return 'they run with PLEXUS_LONG=1'
  if (existsSync(binary)) return undefined
  if (spawnSync('go', ['version']).status !== 0) return 'no CoreDNS here, and no Go to build it with'
  mkdirSync(join(binary, '..'), { recursive: true })
  const part = `${binary}.${process.pid}`
  const built = tryCommand(['go', 'build', '-o', part, './standard'], { cwd: source, timeoutMs: 1_800_000 })
  if (built.status !== 0) return `CoreDNS does not build: ${built.stderr.trim().split('\n').at(-1)}`
  renameSync(part, binary)
  return undefined
}

/** What became of a start: the process serves, or it ended with this status. */
export interface Started {
  readonly child: ChildProcess
  readonly status: number | undefined
  /** what it has written so far, both streams */
  readonly output: () => string
}

/** Starts CoreDNS with a Corefile and waits until it serves or ends. */
export async function startCoredns(
  t: Teardown,
  options: {
    readonly corefile: string
    readonly port: number
    readonly directory: string
    readonly args?: readonly string[]
  },
): Promise<Started> {
  const { corefile, port, directory, args = [] } = options
  const file = join(directory, 'Corefile.coredns')
  writeFileSync(file, corefile)
  const child = spawn(binary, ['-conf', file, '-dns.port', String(port), ...args], {
    cwd: directory,
    env: { ...process.env, GOMAXPROCS: '1' },
  })
  t.teardown(() => stopProcess(child))
  let output = ''
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`CoreDNS does not start:\n${output}`)), 30_000)
    const settle = (status: number | undefined): void => {
      clearTimeout(timer)
      resolve({ child, status, output: () => output })
    }
    const read = (chunk: Buffer): void => {
      output += chunk.toString()
      // its last line once every listener is there
      if (output.includes('\nlinux/')) settle(undefined)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', (code) => settle(code ?? -1))
  })
}
