// The overlay: TCP throughput and CPU per GB between pods of two nodes, and what 2,000 nodes cost.
import { spawn, spawnSync } from 'node:child_process'
import { output } from '../support/process.ts'
import { median, printTable, rounded } from '../support/table.ts'
import { type Contender, plexus, routesByHand, vxlanByHand } from './contenders.ts'
import { benchScale } from './scale.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 2)
const insideFlag = 'PLEXUS_BENCH_INSIDE'

/** Runs the benchmark in a fresh network namespace (by starting itself there) and prints the tables. */
export async function benchOverlay(): Promise<void> {
  if (process.env[insideFlag] === undefined) {
    const script = process.argv[1] ?? ''
    const inside = spawnSync('unshare', ['--net', process.execPath, script, 'overlay'], {
      stdio: 'inherit',
      env: { ...process.env, [insideFlag]: '1' },
    })
    if (inside.status !== 0) throw new Error(`the benchmark ended with ${inside.status ?? inside.signal}`)
    return
  }
  await benchThroughput()
  await benchScale()
}

interface Sample {
  readonly gigabits: number
  /** Seconds of CPU of both iperf3 processes, where the kernel's work for them is charged, per 10^9 bytes. */
  readonly cpuPerGigabyte: number
}

async function benchThroughput(): Promise<void> {
  const contenders: Contender[] = [
    vxlanByHand('none'),
    vxlanByHand('flannel'),
    await plexus('plexus vxlan', { Type: 'vxlan' }, 1450),
    routesByHand(),
    await plexus('plexus host-gw', { Type: 'host-gw' }, 1500),
  ]
  try {
    const samples = new Map(contenders.map(({ name }) => [name, [] as Sample[]]))
    for (let round = -1; round < rounds; round += 1) {
      for (const contender of contenders) {
        const sample = await transfer(contender)
        if (round >= 0) samples.get(contender.name)?.push(sample)
      }
    }
    const of = (name: string, key: keyof Sample): number =>
      median((samples.get(name) ?? []).map((sample) => sample[key]))
    const baseline = (name: string): string =>
      /vxlan/i.test(name) ? 'kernel VXLAN by hand' : 'routes by hand'
    // Round by round: what else the machine does changes from one to the next.
    const ratio = (name: string, key: keyof Sample): number => {
      const others = samples.get(baseline(name)) ?? []
      return median(
        (samples.get(name) ?? []).map((sample, i) => sample[key] / (others[i]?.[key] ?? Number.NaN)),
      )
    }
    printTable(
      `overlay: one TCP stream between pods, ${rounds} rounds of ${seconds} s interleaved, medians`,
      contenders.map(({ name }) => ({
        network: name,
        'Gbit/s': rounded(of(name, 'gigabits')),
        'CPU s/GB': rounded(of(name, 'cpuPerGigabyte'), 3),
        'throughput vs by hand': rounded(ratio(name, 'gigabits')),
        'CPU vs by hand': rounded(ratio(name, 'cpuPerGigabyte')),
      })),
    )
  } finally {
    for (const contender of contenders) await contender.stop()
  }
}

async function transfer({ nodes }: Contender): Promise<Sample> {
  const [a, b] = nodes.machines
  const server = spawn('nsenter', [`--net=${b.pod}`, 'iperf3', '-s', '-1'], { stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  await listening(b.pod)
  const client = ['iperf3', '-c', b.podAddress, '-t', String(seconds), '-J']
  const result: unknown = JSON.parse(await output('nsenter', [`--net=${a.pod}`, ...client]))
  await ended
  const { end } = result as {
    end: {
      sum_received: { bytes: number; seconds: number; bits_per_second: number }
      cpu_utilization_percent: { host_total: number; remote_total: number }
    }
  }
  const { bytes, seconds: took, bits_per_second: rate } = end.sum_received
  const { host_total: here, remote_total: there } = end.cpu_utilization_percent
  const cpu = ((here + there) / 100) * took
  return { gigabits: rate / 1e9, cpuPerGigabyte: cpu / (bytes / 1e9) }
}

async function listening(netns: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const sockets = await output('nsenter', [`--net=${netns}`, 'ss', '-Hltn', 'sport', '=', ':5201'])
    if (sockets.trim() !== '') return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('iperf3 does not listen')
}
