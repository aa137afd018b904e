// One run of dnsperf and what it says.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, createReadStream, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Load {
  /** queries per second to offer; undefined: as many as get answered */
  readonly rate?: number | undefined
  readonly seconds: number
  readonly queries: string
}

export interface LoadResult {
  readonly answered: number
  readonly lost: number
  readonly rate: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Runs dnsperf on `cpu`. Percentiles need its line per query, which costs the generator more than a server: they are
 * taken only with a bounded rate.
 */
export async function load(
  port: number,
  options: Load & { cpu: number; folder: string },
): Promise<LoadResult> {
  const { rate, seconds, queries, cpu, folder } = options
  const path = join(folder, 'dnsperf.out')
  const out = openSync(path, 'w')
  const bounded = rate === undefined ? ['-q', '256'] : ['-Q', String(rate), '-v']
  const child = spawn(
    'taskset',
    ['-c', String(cpu), 'dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', queries, '-c', '32', '-W']
      .concat(['-l', String(seconds), '-t', '5'])
      .concat(bounded),
    { stdio: ['ignore', out, 'ignore'] },
  )
  closeSync(out)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`dnsperf ended with ${code}`)
  const text =
    rate === undefined
      ? readFileSync(path, 'utf8')
      : execFileSync('tail', ['-n', '40', path], { encoding: 'utf8' })
  const number = (label: string): number => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(text)?.[1])
  const times = rate === undefined ? [] : await timesOf(path)
  const percentile = (share: number): number =>
    (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN) * 1000
  return {
    answered: number('Queries completed'),
    lost: number('Queries lost'),
    rate: number('Queries per second'),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  }
}

/** '> NOERROR name. A 0.000061', sorted. */
async function timesOf(path: string): Promise<number[]> {
  const times: number[] = []
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.startsWith('> ')) times.push(Number(line.slice(line.lastIndexOf(' ') + 1)))
  }
  return times.filter((time) => !Number.isNaN(time)).sort((a, b) => a - b)
}
