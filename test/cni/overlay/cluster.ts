import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  joinNamespaces,
  type startProcess,
  stopProcess,
  type TestNamespace,
  testDirectory,
  testNamespace,
  waitUntil,
} from '../../support/index.ts'

const ROOT = join(import.meta.dirname, '../../..')

export interface NodeSpec {
  name: string
  podCIDRs: readonly string[]
  addresses: readonly string[]
  annotations?: Readonly<Record<string, string>>
}

/** A Node object as kubectl prints it. */
export function nodeObject({ name, podCIDRs, addresses, annotations = {} }: NodeSpec): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, annotations },
    spec: podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0], podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  }
}

export interface IpLink {
  ifindex: number
  address: string
  mtu: number
  linkinfo: {
    info_data: {
      id: number
      local?: string
      local6?: string
      port: number
      learning: boolean
      link: string
      gbp?: boolean
    }
  }
}

/** Does one packet come back? For what must not pass: on a busy machine even a good way may be too slow for one. */
export function pings(from: TestNamespace, to: string, ...flags: string[]): boolean {
  return from.try('ping', '-c1', '-W1', ...flags, to).status === 0
}

/** Waits until a packet comes back. */
export async function passes(from: TestNamespace, to: string, ...flags: string[]): Promise<void> {
  await waitUntil(() => pings(from, to, ...flags), { what: `ping ${flags.join(' ')} ${to}` })
}

/** One machine of a test: its namespace, its overlay process, its files. */
export class Machine {
  readonly namespace: TestNamespace
  readonly subnetFile: string
  readonly #directory: string
  readonly #name: string
  #agent: string | undefined
  #child: ReturnType<typeof startProcess> | undefined
  /** Flags that say where the Nodes are described. */
  source: readonly string[]
  env: NodeJS.ProcessEnv = {}
  output = ''

  constructor(namespace: TestNamespace, directory: string, name: string) {
    this.namespace = namespace
    this.#directory = directory
    this.#name = name
    this.subnetFile = join(directory, `${name}.env`)
    this.source = ['--manifests', join(directory, 'manifests'), '--node-name', name]
  }

  /** From then on it is the whole agent that is started, with an overlay and what `more` says. */
  useAgent(more: object): void {
    this.#agent = join(this.#directory, `${this.#name}.agent.yaml`)
    const overlay = { netConf: join(this.#directory, 'net-conf.json'), subnetFile: this.subnetFile }
    const control = { socket: join(this.#directory, `${this.#name}.sock`) }
    const log = { format: 'json' }
    writeFileSync(this.#agent, JSON.stringify({ nodeName: this.#name, log, control, overlay, ...more }))
  }

  /** Starts `plexus overlay` and waits until it serves. */
  async start(...flags: string[]): Promise<void> {
    const { child, ready } = this.launch(...flags)
    const options = { what: 'ready', timeoutMs: 100_000 }
    await waitUntil(() => child.exitCode !== null || existsSync(ready), options).catch(() => {})
    if (!existsSync(ready)) throw new Error(`overlay of ${this.#name} is not ready: ${this.output}`)
  }

  /** Starts it and does not wait. */
  launch(...flags: string[]): { child: ReturnType<typeof startProcess>; ready: string } {
    const ready = join(this.#directory, `${this.#name}.${Math.random()}.ready`)
    const netConf = join(this.#directory, 'net-conf.json')
    const overlay = ['overlay', ...this.source, '--net-conf', netConf, '--subnet-file', this.subnetFile]
    const command =
      this.#agent === undefined ? [...overlay, '--log-format', 'json'] : ['agent', '--config', this.#agent]
    const argv = [join(ROOT, 'bin/plexus'), ...command, '--ready-file', ready, ...flags]
    const child = this.namespace.start(argv, { env: { ...process.env, ...this.env } })
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
    return { child, ready }
  }

  /** Of the running overlay. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  async stop(): Promise<void> {
    if (this.#child !== undefined) await stopProcess(this.#child)
  }

  /** Ends it without a chance to tidy up. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** A device with `ip -d`, undefined if there is none. */
  device(name: string): IpLink | undefined {
    const result = this.namespace.try('ip', '-j', '-d', 'link', 'show', name)
    return result.status === 0 ? (JSON.parse(result.stdout) as IpLink[])[0] : undefined
  }

  /** The first route to a prefix. */
  route(prefix: string): { gateway?: string; dev?: string; flags?: string[]; type?: string } | undefined {
    const family = prefix.includes(':') ? '-6' : '-4'
    return this.namespace.json('ip', '-j', family, 'route', 'show', prefix)[0]
  }

  /** Can `to` be reached with one packet? */
  reaches(to: string, ...flags: string[]): boolean {
    return pings(this.namespace, to, ...flags)
  }

  /** Waits until `to` can be reached. */
  async reached(to: string, ...flags: string[]): Promise<void> {
    await passes(this.namespace, to, ...flags)
  }

  /** Waits for a line of the log: it comes through a pipe, later than what it tells of. */
  async says(pattern: RegExp): Promise<void> {
    await waitUntil(() => pattern.test(this.output), { what: `${pattern} in ${this.output}` })
  }

  /** Waits until the subnet file says something; it is written last. */
  async subnetSays(pattern: RegExp): Promise<void> {
    const text = (): string => readFileSync(this.subnetFile, 'utf8')
    await waitUntil(() => pattern.test(text()), { what: `${pattern} in ${this.subnetFile}` })
  }

  /** A namespace behind this machine's bridge `cni0`, like a pod with `address`. */
  addPod(t: ExecutionContext, address: string, gateway: string, mtu = 1450): TestNamespace {
    const pod = testNamespace(t, 'pod')
    const length = address.includes(':') ? 64 : 24
    const port = `v${pod.name.slice(-8)}`
    if (this.namespace.try('ip', 'link', 'show', 'cni0').status !== 0) {
      this.namespace.run('ip', 'link', 'add', 'cni0', 'mtu', `${mtu}`, 'type', 'bridge')
      this.namespace.run('ip', 'link', 'set', 'cni0', 'up')
    }
    const nodad = address.includes(':') ? ['nodad'] : []
    this.namespace.try('ip', 'addr', 'add', `${gateway}/${length}`, 'dev', 'cni0', ...nodad)
    joinNamespaces(
      { namespace: pod, name: 'eth0', addresses: [`${address}/${length}`] },
      { namespace: this.namespace, name: port, addresses: [] },
    )
    this.namespace.run('ip', 'link', 'set', port, 'master', 'cni0', 'mtu', `${mtu}`)
    pod.run('ip', 'link', 'set', 'eth0', 'mtu', `${mtu}`)
    pod.run('ip', 'route', 'add', 'default', 'via', gateway)
    return pod
  }
}

/** Two machines on one link, 198.18.0.11 and .12 (fd00:18::11 and ::12), with manifests and a net-conf. */
export class Cluster {
  readonly directory: string
  readonly a: Machine
  readonly b: Machine

  constructor(t: ExecutionContext, netConf: unknown) {
    this.directory = testDirectory(t, 'overlay')
    mkdirSync(join(this.directory, 'manifests'))
    this.writeNetConf(netConf)
    const a = testNamespace(t, 'a')
    const b = testNamespace(t, 'b')
    joinNamespaces(
      { namespace: a, name: 'under0', addresses: ['198.18.0.11/24', 'fd00:18::11/64'] },
      { namespace: b, name: 'under0', addresses: ['198.18.0.12/24', 'fd00:18::12/64'] },
    )
    this.a = new Machine(a, this.directory, 'node1')
    this.b = new Machine(b, this.directory, 'node2')
  }

  writeNetConf(netConf: unknown): void {
    writeWhole(join(this.directory, 'net-conf.json'), JSON.stringify(netConf))
  }

  writeNodes(...nodes: NodeSpec[]): void {
    const items = nodes.map(nodeObject)
    writeWhole(
      join(this.directory, 'manifests/nodes.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    )
  }
}

/** By rename: nobody reads half of it, however slow the machine is. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.skip`, text)
  renameSync(`${path}.skip`, path)
}

export const node1: NodeSpec = { name: 'node1', podCIDRs: ['10.244.1.0/24'], addresses: ['198.18.0.11'] }
export const node2: NodeSpec = { name: 'node2', podCIDRs: ['10.244.2.0/24'], addresses: ['198.18.0.12'] }
