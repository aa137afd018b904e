// What both contenders measure about themselves, and how they are told to.
import { readFileSync } from 'node:fs'

export interface SyncFigures {
  readonly syncMs: number
  readonly cpuMs: number
  readonly keptMb: number
  readonly rssMb: number
  readonly peakMb: number
}

export interface ChangeFigures {
  readonly changes: number
  readonly cpuMsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Heap and buffers in use after a collection. */
export function heldMb(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}

function statusMb(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'latin1')
  return (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6
}

/**
 * Runs in the contender's process. `sync` resolves when everything is there; it calls `heard` with the time stamp of each
 * change that reaches its consumer.
 */
export async function contend(sync: (heard: (at: number) => void) => Promise<unknown>): Promise<void> {
  let latencies: number[] = []
  const heldBefore = heldMb()
  const [begun, cpuBefore] = [performance.now(), cpuMs()]
  const kept = await sync((at) => {
    if (at > 0) latencies.push(performance.timeOrigin + performance.now() - at)
  })
  const [syncMs, cpu] = [performance.now() - begun, cpuMs() - cpuBefore]
  await new Promise((resolve) => setTimeout(resolve, 500))
  const figures: SyncFigures = {
    syncMs,
    cpuMs: cpu,
    keptMb: heldMb() - heldBefore,
    rssMb: statusMb('VmRSS'),
    peakMb: statusMb('VmHWM'),
  }
  let from = { cpu: cpuMs(), at: performance.now() }
  process.on('message', (message: 'begin' | 'report') => {
    if (message === 'begin') {
      latencies = []
      from = { cpu: cpuMs(), at: performance.now() }
      process.send?.({})
      return
    }
    const seconds = (performance.now() - from.at) / 1000
    const sorted = latencies.toSorted((a, b) => a - b)
    const quantile = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN
    const report: ChangeFigures = {
      changes: sorted.length,
      cpuMsPerSecond: (cpuMs() - from.cpu) / seconds,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      maxMs: quantile(1),
    }
    process.send?.(report)
  })
  // By exit, so that --cpu-prof has its say.
  process.on('SIGTERM', () => process.exit(0))
  process.send?.(figures)
  // Alive, and what was read with it.
  setInterval(() => kept, 60_000)
}
