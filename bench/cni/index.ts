// CNI ADD and DEL, as a container runtime calls them (environment, configuration on stdin): the reference plugins of
// containernetworking-plugins against ours, with an agent and without. All in a network namespace of its own.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, deleteNetns } from '#netlink'
import { median, printTable, rounded } from '../support/table.ts'
import { type Contender, type Cost, contenders, startAgent } from './contenders.ts'
import { Runner, threadCpuMs } from './runner.ts'

const runs = Number(process.env['BENCH_RUNS'] ?? 20)
const leases = 10_000
const foreignRules = 2_000
const insideFlag = 'PLEXUS_BENCH_INSIDE'

/** Runs the benchmark in a fresh network namespace (by starting itself there) and prints the table. */
export async function benchCni(): Promise<void> {
  if (process.env[insideFlag] === undefined) {
    const script = process.argv[1] ?? ''
    const inside = spawnSync('unshare', ['--net', process.execPath, script, 'cni'], {
      stdio: 'inherit',
      env: { ...process.env, [insideFlag]: '1' },
    })
    if (inside.status !== 0) throw new Error(`the benchmark ended with ${inside.status ?? inside.signal}`)
    return
  }
  spawnSync('ip', ['link', 'set', 'lo', 'up'])
  const agent = await startAgent()
  const runner = new Runner()
  try {
    const all = contenders(agent, runner)
    await compare('idle', all, agent.pid)
    burden(agent.folder, all)
    const names = ['plexus, no agent', 'plexus+ipMasq+ports, no agent']
    const title = `with ${leases} leases in each network and ${foreignRules} foreign nat rules`
    await compare(
      title,
      all.filter(({ name }) => !names.includes(name)),
      agent.pid,
    )
  } finally {
    runner.stop()
    await agent.stop()
  }
}

async function compare(title: string, all: readonly Contender[], agentPid: number): Promise<void> {
  const samples = new Map(all.map(({ name }) => [name, { add: [] as Cost[], del: [] as Cost[] }]))
  for (let run = -2; run < runs; run += 1) {
    for (const contender of all) {
      const pair = await once(contender, run + 2, agentPid)
      if (run < 0) continue
      samples.get(contender.name)?.add.push(pair.add)
      samples.get(contender.name)?.del.push(pair.del)
    }
  }
  const rows = all.map(({ name, baseline }) => {
    const of = (who: string, op: 'add' | 'del', key: keyof Cost): number =>
      median((samples.get(who)?.[op] ?? []).map((sample) => sample[key]))
    const mean = (who: string, op: 'add' | 'del'): number => {
      const list = samples.get(who)?.[op] ?? []
      return list.reduce((sum, { cpu }) => sum + cpu, 0) / list.length
    }
    const ratio = (op: 'add' | 'del'): string => (of(baseline, op, 'wall') / of(name, op, 'wall')).toFixed(2)
    return {
      plugin: name,
      'ADD ms': rounded(of(name, 'add', 'wall')),
      'ADD CPU ms': rounded(mean(name, 'add')),
      'ADD speed-up': ratio('add'),
      'DEL ms': rounded(of(name, 'del', 'wall')),
      'DEL CPU ms': rounded(mean(name, 'del')),
      'DEL speed-up': ratio('del'),
    }
  })
  printTable(
    `cni, ${title}: ${runs} runs interleaved, wall = median, CPU = mean of plugin, what it starts, and the agent`,
    rows,
  )
}

/** What a node looks like that has been at work: leases of other pods, and another program's rules in `ip nat`. */
function burden(folder: string, all: readonly Contender[]): void {
  for (const { id, subnet } of all) {
    if (subnet === undefined) continue
    const directory = join(folder, 'ipam', id)
    mkdirSync(directory, { recursive: true })
    for (let n = 0; n < leases; n += 1) {
      const address = subnet.replace(/\d+\.\d+\/16$/, `${100 + (n >> 8)}.${n & 255}`)
      writeFileSync(join(directory, address), `other-${n}\r\neth0`, { mode: 0o600 })
    }
  }
  const rules = Array.from(
    { length: foreignRules },
    (_, n) => `-A FOREIGN -d 10.96.${n >> 8}.${n & 255}/32 -p tcp --dport 80 -j RETURN`,
  )
  const text = ['*nat', ':FOREIGN - [0:0]', '-A POSTROUTING -j FOREIGN', ...rules, 'COMMIT', ''].join('\n')
  const restored = spawnSync('iptables-restore', ['--noflush'], { input: text })
  if (restored.status !== 0) throw new Error(`iptables-restore: ${restored.stderr ?? restored.error}`)
}

/** What the agent does after its answer (the kernel's part of deleting links, above all) is charged as well. */
const aftermathMs = 60

async function once(contender: Contender, run: number, agentPid: number): Promise<{ add: Cost; del: Cost }> {
  const netns = `/run/netns/plxt-${process.pid}-pod`
  createNetns(netns)
  try {
    const call = { containerId: `bench-${contender.id}-${run}`, netns, hostPort: 20_000 + run }
    const add = await measure(agentPid, () => contender.add(call))
    const del = await measure(agentPid, () => contender.del(call))
    return { add, del }
  } finally {
    deleteNetns(netns)
  }
}

async function measure(agentPid: number, body: () => Promise<Cost>): Promise<Cost> {
  const before = threadCpuMs(agentPid)
  const { wall, cpu } = await body()
  await sleep(aftermathMs)
  return { wall, cpu: cpu + threadCpuMs(agentPid) - before }
}
