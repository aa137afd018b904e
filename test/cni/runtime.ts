// Drives a CNI plugin binary as a container runtime does: environment and stdin in, exit code and stdout out.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { buildShim } from '#cni'
import { command } from '../support/command.ts'
import { testDirectory } from '../support/directory.ts'
import { type Teardown, type TestNamespace, testNamespace } from '../support/namespace.ts'
import { waitUntil } from '../support/wait.ts'

export const binDirectory = join(import.meta.dirname, '..', '..', 'bin', 'cni')
/** The compiled shim; undefined on a machine without a C compiler. */
export const shim = buildShim()
export const referenceDirectory = '/usr/lib/cni'

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** stdout as JSON; {} when there is none. */
  readonly json: CniOutput
}

/** The parts of results and errors that tests look at. */
export interface CniOutput {
  readonly cniVersion?: string
  readonly code?: number
  readonly msg?: string
  readonly details?: string
  readonly supportedVersions?: string[]
  readonly interfaces?: { name: string; mac?: string; sandbox?: string }[]
  readonly ips?: { address: string; gateway?: string; interface?: number; version?: string }[]
  readonly routes?: { dst: string; gw?: string }[]
  readonly dns?: Record<string, unknown>
  readonly ip4?: { ip: string; gateway?: string; routes?: { dst: string; gw?: string }[] }
  readonly ip6?: { ip: string; gateway?: string }
}

export interface Invocation {
  readonly command: string
  readonly id?: string
  readonly ifname?: string
  /** Path of the pod's namespace; '' to leave it out. */
  readonly netns?: string
  readonly args?: string
  readonly environment?: Readonly<Record<string, string>>
}

export type Launcher = 'node' | 'shim'
/** Both where there is a C compiler. */
export const launchers: readonly Launcher[] = shim === undefined ? ['node'] : ['node', 'shim']

export type Json = Record<string, unknown>

/** A node: a network namespace, a directory for leases, and optionally an agent that serves the plugin. */
export class Node {
  readonly host: TestNamespace
  readonly directory: string
  readonly #t: Teardown
  #agents = 0
  /** What executes a plugin call: the Node launcher, or the compiled shim. */
  readonly launcher: Launcher
  socket: string

  constructor(t: Teardown, launcher: Launcher = 'node') {
    this.#t = t
    this.launcher = launcher
    this.host = testNamespace(t, 'node')
    this.directory = testDirectory(t, 'cni')
    this.socket = join(this.directory, 'run', 'cni.sock')
  }

  /** A network configuration with this node's socket and lease directory. */
  conf(more: Json = {}, ipam: Json | null = { subnet: '10.1.2.0/24' }): Json {
    return {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'plexus',
      socket: this.socket,
      bridge: 'br0',
      ...more,
      ...(ipam === null ? {} : { ipam: { type: 'host-local', dataDir: this.directory, ...ipam } }),
    }
  }

  pod(name = 'pod'): TestNamespace {
    return testNamespace(this.#t, name)
  }

  /** Starts an agent in the node's namespace and waits until it serves. */
  async agent(): Promise<ChildProcess> {
    this.#agents += 1
    const ready = join(this.directory, `agent${this.#agents}`)
    const child = this.host.start([
      process.execPath,
      join(import.meta.dirname, 'agent-process.ts'),
      this.socket,
      ready,
    ])
    child.stderr?.resume()
    await waitUntil(() => existsSync(ready), { what: 'the agent', timeoutMs: 90_000 })
    return child
  }

  /** Executes a plugin in the node's namespace. */
  run(conf: Json | string, invocation: Invocation, directory = binDirectory): Promise<Outcome> {
    const type = typeof conf === 'string' ? 'plexus' : String(conf['type'])
    if (directory !== binDirectory) return this.start(conf, invocation, [join(directory, type)]).outcome
    return this.start(conf, invocation, this.#argv(type)).outcome
  }

  /** Like `run`, but returns while the plugin is at work. */
  start(conf: Json | string, invocation: Invocation, plugin = this.#argv('plexus')) {
    const [path = '', ...argv] = this.host.argv(plugin)
    const child = spawn(path, argv, { env: environmentOf(invocation) })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(typeof conf === 'string' ? conf : JSON.stringify(conf))
    const outcome = new Promise<Outcome>((resolve) => {
      child.once('close', (code) => {
        const text = Buffer.concat(stdout).toString()
        resolve({ code, stdout: text, stderr: Buffer.concat(stderr).toString(), json: parse(text) })
      })
    })
    return { child, outcome }
  }

  /** A plugin's name as argument settles what executes it: the launcher then runs Node even if there is a shim. */
  #argv(type: string): string[] {
    return [this.launcher === 'shim' && shim !== undefined ? shim : join(binDirectory, type), type]
  }

  /** Addresses with a lease file. */
  leases(network = 'net'): string[] {
    const directory = join(this.directory, network)
    if (!existsSync(directory)) return []
    return readdirSync(directory)
      .filter((name) => /^[0-9a-f]*[.:]/.test(name))
      .sort()
  }

  leaseOf(address: string, network = 'net'): string {
    return readFileSync(join(this.directory, network, address), 'latin1')
  }

  /** Of the node's namespace, as requests to the agent name it. */
  get netnsInode(): string {
    return String(statSync(this.host.path).ino)
  }

  /** Names of links in the node's namespace other than loopback. */
  links(): string[] {
    return this.host
      .json<{ ifname: string }[]>('ip', '-j', 'link')
      .map(({ ifname }) => ifname)
      .filter((name) => name !== 'lo')
  }

  /** Lines of this node's nftables that mention `text`, without the rules that a pod network has once. */
  rulesWith(text: string): string[] {
    return this.host
      .nft('list', 'ruleset')
      .split('\n')
      .filter((line) => line.includes(text) && !line.endsWith(' return'))
  }
}

function environmentOf({ command, id, ifname, netns, args, environment }: Invocation): NodeJS.ProcessEnv {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id ?? 'c1',
    CNI_IFNAME: ifname ?? 'eth0',
    CNI_PATH: `${binDirectory}:${referenceDirectory}`,
    ...(netns === undefined || netns === '' ? {} : { CNI_NETNS: netns }),
    ...(args === undefined ? {} : { CNI_ARGS: args }),
    ...environment,
  }
}

function parse(text: string): CniOutput {
  return text.trim() === '' ? {} : (JSON.parse(text) as CniOutput)
}

/** ip -j addr of one interface: its addresses as CIDRs, without link-local ones. */
export function addressesOn(namespace: TestNamespace, ifname: string): string[] {
  interface Shown {
    addr_info: { local: string; prefixlen: number; scope: string }[]
  }
  const [link] = namespace.json<Shown[]>('ip', '-j', 'addr', 'show', 'dev', ifname)
  return (link?.addr_info ?? [])
    .filter(({ scope }) => scope !== 'link')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
}

export function routesIn(
  namespace: TestNamespace,
  family: 4 | 6 = 4,
): { dst: string; gateway?: string; dev: string }[] {
  return namespace.json('ip', `-${family}`, '-j', 'route')
}

export { command }

/** What `ip -d -j link` shows of one link. */
export interface LinkShown {
  ifname: string
  address: string
  mtu: number
  operstate: string
  ifindex: number
  ifalias?: string
  promiscuity?: number
  linkinfo?: { info_kind?: string; info_slave_data?: { hairpin: boolean; isolated: boolean; state: string } }
}

export function linkIn(namespace: TestNamespace, name: string): LinkShown | undefined {
  return namespace.json<LinkShown[]>('ip', '-d', '-j', 'link').find(({ ifname }) => ifname === name)
}
