// Programs of this benchmark in network namespaces.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export function namespacePath(name: string): string {
  return `/run/netns/plxt-${process.pid}-${name}`
}

/** Ends a program that writes nf_tables unless it runs in a namespace made for that: started by hand, it might not. */
export function requireOwnNamespace(): void {
  const own = statSync('/proc/self/ns/net').ino
  const made = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  if (made.some((name) => statSync(`/run/netns/${name}`, { throwIfNoEntry: false })?.ino === own)) return
  console.error(
    'this program fills nf_tables: run it inside a namespace of `ip netns`, or by `npm run bench`',
  )
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
