import { once } from 'node:events'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { command, startProcess, stopProcess, tryCommand, waitUntil } from '../../support/index.ts'

const root = join(import.meta.dirname, '..', '..', '..')

/**
 * A machine for a whole lab: network, mount and process namespaces of its own, with an empty /run. Whatever is left in it
 * ends with the test, even if that is killed.
 */
export class LabMachine {
  readonly #pid: number

  private constructor(pid: number) {
    this.#pid = pid
  }

  static async start(t: ExecutionContext): Promise<LabMachine> {
    const outer = startProcess([
      ...['setpriv', '--pdeathsig', 'KILL', 'unshare', '--kill-child', '--fork', '--pid', '--mount-proc'],
      ...[
        '--mount',
        '--net',
        'sh',
        '-c',
        'mount -t tmpfs tmpfs /run && ip link set lo up && exec sleep 3600',
      ],
    ])
    t.teardown(async () => {
      await stopProcess(outer)
    })
    if (outer.pid === undefined) await once(outer, 'spawn')
    const pid = await waitUntil(() => {
      const [child] = tryCommand(['pgrep', '--parent', String(outer.pid)]).stdout.split('\n')
      const ready =
        child !== undefined && child !== '' && tryCommand(['cat', `/proc/${child}/comm`]).stdout === 'sleep\n'
      return ready ? Number(child) : undefined
    })
    return new LabMachine(pid)
  }

  /** The command line that runs `argv` on the machine. */
  enter(argv: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.#pid), '--mount', '--net', '--pid', '--', ...argv]
  }

  run(...argv: string[]): string {
    return command(this.enter(argv))
  }

  /** The command line that runs `bin/plexus` with `argv` there. */
  plexus(...argv: string[]): string[] {
    return this.enter([join(root, 'bin/plexus'), ...argv])
  }

  /** Interfaces, network namespaces, nftables tables and processes: what a lab must not leave behind. */
  traces(): Record<string, string> {
    return {
      links: this.run('ip', '-brief', 'link').replace(/ .*/gm, ''),
      namespaces: this.run('ip', 'netns'),
      rules: this.run('/usr/sbin/nft', 'list', 'ruleset'),
      // The first process of the namespace is one that does not reap: the ended ones stay as zombies.
      processes: this.run('ps', '-e', '-o', 'stat=,comm=').replace(/^(Z.*|.* (ps|nsenter))\n/gm, ''),
    }
  }
}
