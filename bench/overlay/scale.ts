// What the overlay costs with thousands of nodes: all at once, nothing to do, and one that changes.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { parseNetConf, startOverlay } from '#cni'
import { RouteMonitor } from '#netlink'
import { memorySource, openStore } from '#watch'
import { median, printTable, rounded } from '../support/table.ts'

const nodes = Number(process.env['BENCH_NODES'] ?? 2000)
const changes = 20

function nodeObject(n: number, address = `198.${18 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`): unknown {
  const cidr = `10.${n >> 8}.${n & 255}.0/24`
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node${n}` },
    spec: { podCIDR: cidr, podCIDRs: [cidr] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  }
}

/** Runs in the namespace the process is in. */
export async function benchScale(): Promise<void> {
  const run = (line: string): void => {
    const [program = '', ...args] = line.split(' ')
    const result = spawnSync(program, args, { encoding: 'utf8' })
    if (result.status !== 0) throw new Error(`${line}: ${result.stderr}`)
  }
  run('ip link add under0 type veth peer name under1')
  run('ip addr add 198.18.0.1/8 dev under0')
  run('ip link set under0 up')
  run('ip link set under1 up')
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-scale-'))
  const log = pino({ level: 'silent' })
  const source = memorySource()
  source.apply(...Array.from({ length: nodes }, (_, i) => nodeObject(i + 1)))
  const store = await openStore({ source, log })
  const netConf = parseNetConf('{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","ChecksumOffload":"on"}}')
  const options = { store, nodeName: 'node1', netConf, subnetFile: join(folder, 'subnet.env'), log }
  const began = performance.now()
  const overlay = await startOverlay({ ...options, metrics: new Registry() })
  const first = performance.now() - began
  await overlay.stop()
  const again = performance.now()
  const second = await startOverlay({ ...options, metrics: new Registry() })
  const restart = performance.now() - again
  const resyncs = Array.from({ length: 5 }, () => {
    const start = performance.now()
    second.reconcile('resync')
    return performance.now() - start
  })
  const latency: number[] = []
  const cpu: number[] = []
  for (let i = 0; i < changes; i += 1) {
    const n = 100 + i
    const used = process.cpuUsage()
    const start = performance.now()
    const seen = entryChanges()
    source.apply(nodeObject(n, `198.100.0.${n}`))
    await seen
    latency.push(performance.now() - start)
    const { user, system } = process.cpuUsage(used)
    cpu.push((user + system) / 1000)
  }
  const heartbeat = performance.now()
  for (let i = 0; i < changes; i += 1) {
    source.apply(nodeObject(100 + i, `198.100.0.${100 + i}`))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const beats = (performance.now() - heartbeat) / changes
  await second.stop()
  await store.close()
  rmSync(folder, { recursive: true, force: true })
  printTable(`overlay: ${nodes} nodes (${nodes - 1} peers, 3 entries each), ms`, [
    { what: 'start, empty kernel', ms: rounded(first) },
    { what: 'restart, everything in place', ms: rounded(restart) },
    { what: 'comparison with the kernel', ms: rounded(median(resyncs)) },
    { what: 'address of one peer changes, until in the kernel', ms: rounded(median(latency)) },
    { what: 'the same, CPU', ms: rounded(median(cpu)) },
    { what: 'heartbeat of one Node', ms: rounded(beats) },
  ])
}

/** Resolves with the next change of a forwarding entry. */
function entryChanges(): Promise<void> {
  return new Promise((resolve, reject) => {
    // The monitor does not keep the process alive, this does.
    const timer = setTimeout(() => reject(new Error('no change was seen')), 10_000)
    const monitor = new RouteMonitor({
      groups: ['neighbour'],
      onEvent: ({ kind }) => {
        if (kind !== 'fdb') return
        clearTimeout(timer)
        monitor.close()
        resolve()
      },
      onLost: () => {},
    })
  })
}
