import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import {
  type CommandOptions,
  type CommandResult,
  command,
  startProcess,
  stopProcess,
  tryCommand,
} from './command.ts'

/** The part of ava's ExecutionContext used here: functions run when the test has ended, last one first. */
export interface Teardown {
  teardown(body: () => void | Promise<void>): void
}

let counter = 0

/**
 * A network namespace of one test: `plxt-<pid>-<name><n>`, with loopback up, made with `ip netns` so that a bug
 * in our own code cannot hide. It goes away, with every process started in it, when the test ends.
 */
export class TestNamespace {
  readonly name: string
  readonly path: string
  readonly #children = new Set<ChildProcess>()

  constructor(t: Teardown, name: string) {
    counter += 1
    this.name = `plxt-${process.pid}-${name}${counter}`
    this.path = `/run/netns/${this.name}`
    command(['ip', 'netns', 'add', this.name])
    t.teardown(() => this.remove())
    this.run('ip', 'link', 'set', 'lo', 'up')
  }

  /** Command line that runs `argv` in this namespace. */
  argv(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv]
  }

  /** Runs a command inside and returns its stdout; throws CommandError on a status other than 0. */
  run(...argv: string[]): string {
    return command(this.argv(argv))
  }

  /** Like `run`, for commands that need stdin, an environment or a longer time. */
  runWith(options: CommandOptions, ...argv: string[]): string {
    return command(this.argv(argv), options)
  }

  /** Runs a command inside and returns status, stdout and stderr. */
  try(...argv: string[]): CommandResult {
    return tryCommand(this.argv(argv))
  }

  /** Runs a command inside and parses its stdout, e.g. `json('ip', '-j', 'link')`. Empty output is []. */
  json<T = Record<string, unknown>[]>(...argv: string[]): T {
    const text = this.run(...argv)
    return JSON.parse(text.trim() === '' ? '[]' : text) as T
  }

  /** `nft -j list ruleset` and other nft commands; the absolute path matters (see the contracts). */
  nft(...args: string[]): string {
    return this.run('/usr/sbin/nft', ...args)
  }

  /** Starts a long-running command inside; it is ended with the namespace. */
  start(argv: readonly string[], options: CommandOptions = {}): ChildProcess {
    const child = startProcess(this.argv(argv), options)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Ends the processes started inside and removes the namespace. */
  async remove(): Promise<void> {
    await Promise.all([...this.#children].map(stopProcess))
    if (existsSync(this.path)) command(['ip', 'netns', 'del', this.name])
  }
}

/** A new namespace of the test `t`. */
export function testNamespace(t: Teardown, name: string): TestNamespace {
  return new TestNamespace(t, name)
}

/**
 * Joins two namespaces with a veth pair: `a` gets `aName` with `aAddress` (CIDR), `b` likewise; both ends up.
 * IPv6 addresses skip duplicate address detection.
 */
export function joinNamespaces(
  a: { namespace: TestNamespace; name: string; addresses: readonly string[] },
  b: { namespace: TestNamespace; name: string; addresses: readonly string[] },
): void {
  command(
    // biome-ignore format: one command line
    ['ip', 'link', 'add', a.name, 'netns', a.namespace.name, 'type', 'veth', 'peer', 'name', b.name, 'netns', b.namespace.name],
  )
  for (const end of [a, b]) {
    for (const address of end.addresses) {
      const noDad = address.includes(':') ? ['nodad'] : []
      end.namespace.run('ip', 'addr', 'add', address, 'dev', end.name, ...noDad)
    }
    end.namespace.run('ip', 'link', 'set', end.name, 'up')
  }
}

/** Deletes namespaces `plxt-<pid>-*` whose process no longer lives; returns their names. */
export function sweepDeadNamespaces(): string[] {
  const swept: string[] = []
  if (!existsSync('/run/netns')) return swept
  for (const name of readdirSync('/run/netns')) {
    const pid = /^plxt-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    if (tryCommand(['ip', 'netns', 'del', name]).status === 0) swept.push(name)
  }
  return swept
}
