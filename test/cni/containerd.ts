import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryCommand } from '../support/command.ts'
import type { Teardown } from '../support/namespace.ts'
import { waitUntil } from '../support/wait.ts'
import { CriClient } from './cri-client.ts'
import { busyboxImage } from './oci-image.ts'
import type { Node } from './runtime.ts'

export const image = 'localhost/plexus-test:latest'

/** Why there can be no containerd here; undefined if there can. */
export function containerdMissing(): string | undefined {
  const programs = ['/usr/bin/containerd', '/usr/bin/ctr', '/usr/sbin/runc', '/bin/busybox']
  const missing = programs.filter((path) => !existsSync(path))
  if (missing.length > 0) {
    return `${missing.join(', ')} missing: apt-get install containerd runc busybox-static`
  }
  const isDynamic = tryCommand(['ldd', '/bin/busybox']).status === 0
  return isDynamic ? '/bin/busybox is not static: apt-get install busybox-static' : undefined
}

/** A containerd of the node's own, with directories, socket and CNI configuration of the test. */
export class Containerd {
  readonly #node: Node
  readonly #directory: string
  readonly socket: string
  #process: ChildProcess | undefined

  constructor(t: Teardown, node: Node, { binDir, confDir }: { binDir: string; confDir: string }) {
    this.#node = node
    this.#directory = join(node.directory, 'containerd')
    this.socket = join(this.#directory, 'containerd.sock')
    mkdirSync(this.#directory, { recursive: true })
    const path = (name: string): string => JSON.stringify(join(this.#directory, name))
    writeFileSync(
      join(this.#directory, 'config.toml'),
      `version = 2
root = ${path('root')}
state = ${path('state')}
[grpc]
  address = ${JSON.stringify(this.socket)}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${image}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${JSON.stringify(binDir)}
    conf_dir = ${JSON.stringify(confDir)}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
`,
    )
    t.teardown(() => this.#remove())
  }

  /** Starts it and waits until it serves the CRI. */
  async start(): Promise<CriClient> {
    const argv = ['containerd', '--config', join(this.#directory, 'config.toml')]
    this.#process = this.#node.host.start(argv, {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' },
    })
    this.#process.stdout?.resume()
    this.#process.stderr?.resume()
    const client = await waitUntil(
      async () => {
        const candidate = new CriClient(this.socket)
        try {
          await candidate.version()
          return candidate
        } catch {
          candidate.close()
          return undefined
        }
      },
      { what: 'containerd', timeoutMs: 60_000 },
    )
    return client
  }

  /** Ends containerd itself; containers go on under their shims. */
  async stop(): Promise<void> {
    const running = this.#process
    if (running === undefined || running.exitCode !== null) return
    await new Promise((resolve) => {
      running.once('exit', resolve)
      running.kill('SIGTERM')
    })
  }

  importImage(): void {
    const applets = ['sh', 'sleep', 'nc', 'httpd', 'grep', 'printf']
    const archive = busyboxImage(this.#directory, { name: image, busybox: '/bin/busybox', applets })
    this.ctr('image', 'import', '--no-unpack', '--snapshotter', 'native', archive)
  }

  ctr(...args: string[]): string {
    return this.#node.host.runWith(
      { timeoutMs: 120_000 },
      'ctr',
      '--address',
      this.socket,
      '--namespace',
      'k8s.io',
      ...args,
    )
  }

  /** Also after a failed test: containerd, what runs under its shims, and mounts. */
  async #remove(): Promise<void> {
    await this.stop()
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (!commandLineOf(pid).includes(this.socket)) continue
      for (const child of childrenOf(pid)) process.kill(child, 'SIGKILL')
      process.kill(Number(pid), 'SIGKILL')
    }
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((path) => path.startsWith(this.#directory))
    for (const path of mounts.reverse()) tryCommand(['umount', '--lazy', path])
  }
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function childrenOf(pid: string): number[] {
  const { stdout } = tryCommand(['ps', '-o', 'pid=', '--ppid', pid])
  return stdout
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)
}
