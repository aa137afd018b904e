// Programs of this benchmark in network namespaces.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'

export function namespacePath(name: string): string {
  return `/run/netns/plxt-${process.pid}-${name}`
}

/** Ends a program that fills its network namespace with rules if that is the machine's own: somebody ran it by hand. */
export function requireOwnNamespace(): void {
  if (readlinkSync('/proc/self/ns/net') !== readlinkSync('/proc/1/ns/net')) return
  console.error("this program writes nf_tables: run it in a network namespace of its own, not in the machine's")
  process.exit(2)
}

/** Runs a program of this folder to its end inside and returns its standard output. */
export function inside(netns: string, program: string, args: readonly string[]): string {
  return execFileSync(
    'nsenter',
    [`--net=${netns}`, process.execPath, join(import.meta.dirname, program), ...args],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 1 << 26,
    },
  )
}

/** Runs `ip` inside. */
export function ip(netns: string, args: string): void {
  execFileSync('nsenter', [`--net=${netns}`, 'ip', ...args.split(' ')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** A TCP server inside that accepts on port 8080 and says nothing; end it with kill(). */
export function listenIn(netns: string): ChildProcess {
  const program = `require('node:net').createServer((s) => s.on('error', () => {})).listen(8080, '::')`
  return spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', program], { stdio: 'ignore' })
}
