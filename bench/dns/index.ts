// Cluster DNS against CoreDNS and unbound: the same records, the same questions, interleaved in one run. Servers on CPU
// 0, dnsperf and the upstream on CPU 1. CPU per query is that of the contender's whole process tree.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { treeCpuSeconds } from '../support/cpu.ts'
import { treeResidentBytes } from '../support/memory.ts'
import { endServer } from '../support/process.ts'
import { median, printTable, rounded } from '../support/table.ts'
import { buildCoredns, type Contender, ports, startContenders, startUpstream } from './contenders.ts'
import { writeQueries } from './fixture.ts'
import { type LoadResult, load } from './load.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4)
const cpus = { servers: 0, load: 1 }

interface Scenario {
  readonly name: string
  readonly rate?: number
  readonly clusterOnly?: boolean
}

const scenarios: readonly Scenario[] = [
  { name: 'service names, full load', clusterOnly: true },
  { name: 'mix, full load' },
  { name: 'mix, 20k/s', rate: 20_000 },
  { name: 'mix, 5k/s', rate: 5000 },
]

/** Runs all rounds of all scenarios and prints a table for each. */
export async function benchDns(): Promise<void> {
  const root = join(import.meta.dirname, '..', '..')
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-dns-'))
  const coredns = buildCoredns(folder)
  const upstream = startUpstream(folder, cpus.load)
  const contenders = startContenders(root, folder, { cpu: cpus.servers, coredns })
  try {
    const names = [...contenders.keys()]
    const all = writeQueries(join(folder, 'mix'), { count: 100_000 })
    const cluster = writeQueries(join(folder, 'cluster'), { count: 100_000, clusterOnly: true })
    for (const name of names) await warmUp(ports[name], { queries: all, folder })
    for (const scenario of scenarios) {
      const results = new Map<Contender, (LoadResult & { cpu: number })[]>()
      for (let round = 0; round < rounds; round += 1) {
        for (const [name, { pid }] of contenders) {
          const before = treeCpuSeconds(pid)
          const result = await load(ports[name], {
            rate: scenario.rate,
            seconds,
            queries: scenario.clusterOnly === true ? cluster : all,
            cpu: cpus.load,
            folder,
          })
          const cpu = ((treeCpuSeconds(pid) - before) / result.answered) * 1e6
          results.set(name, [...(results.get(name) ?? []), { ...result, cpu }])
        }
      }
      const of = (name: Contender, key: keyof LoadResult | 'cpu'): number =>
        median((results.get(name) ?? []).map((result) => result[key]))
      printTable(
        `dns: ${scenario.name}; 5000 Services, 20000 endpoints, ${rounds} rounds of ${seconds} s`,
        names.map((name) => ({
          server: name,
          QPS: rounded(of(name, 'rate'), 0),
          'CPU us/query': rounded(of(name, 'cpu')),
          ...(scenario.rate === undefined
            ? {}
            : { 'p50 ms': rounded(of(name, 'p50Ms'), 3), 'p99 ms': rounded(of(name, 'p99Ms'), 3) }),
          lost: (results.get(name) ?? []).reduce((sum, { lost }) => sum + lost, 0),
          'RSS MB': rounded(treeResidentBytes(contenders.get(name)?.pid ?? 0) / 1e6, 0),
          'CPU vs coredns': coredns === undefined ? '-' : rounded(of(name, 'cpu') / of('coredns', 'cpu')),
          'CPU vs unbound': rounded(of(name, 'cpu') / of('unbound', 'cpu')),
        })),
      )
    }
  } finally {
    await Promise.all([...contenders.values(), upstream].map(endServer))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits until the server answers and has seen every question once. */
async function warmUp(port: number, options: { queries: string; folder: string }): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const { lost, answered } = await load(port, { ...options, seconds: 2, cpu: cpus.load })
    if (answered > 0 && lost === 0) return
    if (Date.now() > deadline)
      throw new Error(`the server on port ${port} does not answer everything: ${lost} lost`)
  }
}
