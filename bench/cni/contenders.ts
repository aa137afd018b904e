import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installCni } from '#cni'
import { endServer, startServer } from '../support/process.ts'
import type { Runner } from './runner.ts'

const root = join(import.meta.dirname, '..', '..')
const reference = '/usr/lib/cni'

export interface Call {
  readonly containerId: string
  readonly netns: string
  readonly hostPort: number
}

export interface Contender {
  readonly name: string
  readonly id: string
  /** Name of the row that this one's speed-up is measured against. */
  readonly baseline: string
  /** Of its pods, a /16; absent where there are none. */
  readonly subnet?: string | undefined
  add(call: Call): Promise<Cost>
  del(call: Call): Promise<Cost>
}

/** Milliseconds. */
export interface Cost {
  readonly wall: number
  readonly cpu: number
}

export interface BenchAgent {
  readonly pid: number
  readonly socket: string
  readonly folder: string
  stop(): Promise<void>
}

/** The real agent with only its CNI server on. */
export async function startAgent(): Promise<BenchAgent> {
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-cni-'))
  const socket = join(folder, 'cni.sock')
  const ready = join(folder, 'ready')
  mkdirSync(join(folder, 'manifests'))
  const config = {
    nodeName: 'bench',
    manifests: ['manifests'],
    control: { socket: 'agent.sock' },
    cni: { socket: 'cni.sock' },
  }
  writeFileSync(join(folder, 'agent.yaml'), JSON.stringify(config))
  const args = ['agent', '--config', join(folder, 'agent.yaml'), '--ready-file', ready]
  const child = startServer(join(root, 'bin/plexus'), args)
  for (let tries = 0; !existsSync(ready); tries += 1) {
    if (tries > 200) throw new Error('the agent was not ready after 10 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    pid: child.pid,
    socket,
    folder,
    async stop() {
      await endServer(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function contenders(agent: BenchAgent, runner: Runner): Contender[] {
  // What a node really gets: `plexus cni install`.
  const ours = join(agent.folder, 'bin')
  installCni({ binDir: ours })
  const ipam = (network: string, subnet: string) => ({
    type: 'host-local',
    dataDir: join(agent.folder, 'ipam'),
    ranges: [[{ subnet }]],
    network,
  })
  const bridge = (type: string, name: string, subnet: string, more: object) => ({
    type,
    bridge: name,
    isDefaultGateway: true,
    hairpinMode: true,
    ipam: ipam(name, subnet),
    ...more,
  })
  const absent = join(agent.folder, 'no-agent.sock')
  return [
    floor(runner),
    chain(
      runner,
      'reference: bridge',
      'rp',
      'reference: bridge',
      [bridge('bridge', 'rp0', '10.201.0.0/16', {})],
      reference,
    ),
    chain(
      runner,
      'plexus, agent',
      'pa',
      'reference: bridge',
      [bridge('plexus', 'pa0', '10.202.0.0/16', { socket: agent.socket })],
      ours,
    ),
    chain(
      runner,
      'plexus, no agent',
      'pn',
      'reference: bridge',
      [bridge('plexus', 'pn0', '10.203.0.0/16', { socket: absent })],
      ours,
    ),
    chain(
      runner,
      'reference: bridge+ipMasq+portmap',
      'rf',
      'reference: bridge+ipMasq+portmap',
      [bridge('bridge', 'rf0', '10.204.0.0/16', { ipMasq: true }), { type: 'portmap', snat: true }],
      reference,
    ),
    chain(
      runner,
      'plexus+ipMasq+ports, agent',
      'fa',
      'reference: bridge+ipMasq+portmap',
      [bridge('plexus', 'fa0', '10.205.0.0/16', { socket: agent.socket, ipMasq: true })],
      ours,
    ),
    chain(
      runner,
      'plexus+ipMasq+ports, no agent',
      'fn',
      'reference: bridge+ipMasq+portmap',
      [bridge('plexus', 'fn0', '10.206.0.0/16', { socket: absent, ipMasq: true })],
      ours,
    ),
  ]
}

/** What starting any program from here costs: in every other row as well, twice where two plugins are chained. */
function floor(runner: Runner): Contender {
  const run = (): Promise<Cost> => runner.run({ argv: ['/bin/true'], env: {}, input: '{}' })
  return { name: 'floor: /bin/true', id: 'fl', baseline: 'reference: bridge', add: run, del: run }
}

/** A plugin list run as libcni does: ADD in order with prevResult, DEL in reverse with the final result. */
function chain(
  runner: Runner,
  name: string,
  id: string,
  baseline: string,
  plugins: readonly object[],
  binDir: string,
): Contender {
  const results = new Map<string, unknown>()
  const mapped = plugins.length > 1 || plugins.some((plugin) => 'ipMasq' in plugin)
  const run = async (command: string, plugin: object, call: Call, prevResult: unknown) => {
    const { type } = plugin as { type: string }
    const runtimeConfig = mapped
      ? { portMappings: [{ hostPort: call.hostPort, containerPort: 80, protocol: 'tcp' }] }
      : undefined
    const config = {
      cniVersion: '1.0.0',
      name: id,
      capabilities: { portMappings: true },
      ...plugin,
      runtimeConfig,
      prevResult,
    }
    const done = await runner.run({
      argv: [join(binDir, type)],
      input: JSON.stringify(config),
      // As containerd does: a bare environment. iptables must be found by the reference plugins.
      env: {
        PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
        CNI_COMMAND: command,
        CNI_CONTAINERID: call.containerId,
        CNI_NETNS: call.netns,
        CNI_IFNAME: 'eth0',
        CNI_PATH: binDir,
      },
    })
    if (done.status !== 0) throw new Error(`${name} ${command}: ${done.stdout}`)
    return done
  }
  const [first] = plugins as { ipam?: { ranges: { subnet: string }[][] } }[]
  return {
    name,
    id,
    baseline,
    subnet: first?.ipam?.ranges[0]?.[0]?.subnet,
    async add(call) {
      let result: unknown
      const costs: Cost[] = []
      for (const plugin of plugins) {
        const done = await run('ADD', plugin, call, result)
        result = JSON.parse(done.stdout)
        costs.push(done)
      }
      results.set(call.containerId, result)
      return total(costs)
    },
    async del(call) {
      const costs: Cost[] = []
      for (const plugin of plugins.toReversed()) {
        costs.push(await run('DEL', plugin, call, results.get(call.containerId)))
      }
      results.delete(call.containerId)
      return total(costs)
    },
  }
}

function total(costs: readonly Cost[]): Cost {
  return {
    wall: costs.reduce((sum, { wall }) => sum + wall, 0),
    cpu: costs.reduce((sum, { cpu }) => sum + cpu, 0),
  }
}
