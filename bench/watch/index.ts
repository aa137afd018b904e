// The watch cache against @kubernetes/client-node's informers, on one API server in a process of its own.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endServer } from '../support/process.ts'
import { median, printTable, rounded } from '../support/table.ts'
import type { ChangeFigures, SyncFigures } from './contender.ts'

const version = '2.0.1'

/** Installs the peer in `dist`; undefined if that does not work. */
function peerFolder(): string | undefined {
  const folder = join(import.meta.dirname, '..', '..', 'dist', 'bench', 'client-node')
  if (existsSync(join(folder, 'node_modules', '@kubernetes', 'client-node'))) return folder
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const args = [
    'install',
    '--prefix',
    folder,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `@kubernetes/client-node@${version}`,
  ]
  return spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0 ? folder : undefined
}

function start(program: string, args: readonly string[]): ChildProcess {
  return fork(join(import.meta.dirname, program), args, {
    execArgv: ['--expose-gc', '--max-old-space-size=8192'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

/** Sends a message and takes the next answer. */
function asked<T>(child: ChildProcess, message?: unknown, timeoutMs = 300_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer')), timeoutMs)
    const answered = (answer: T): void => {
      clearTimeout(timer)
      child.off('exit', ended)
      resolve(answer)
    }
    const ended = (): void => reject(new Error('a process of the benchmark ended'))
    child.once('message', answered)
    child.once('exit', ended)
    if (message !== undefined) child.send(message as object)
  })
}

interface Round extends SyncFigures, ChangeFigures {
  readonly watches: number
  readonly connections: number
}

async function round(
  server: ChildProcess,
  program: string,
  args: readonly string[],
  load: object,
): Promise<Round> {
  const before = await asked<{ connections: number }>(server, { forget: true })
  const child = start(program, args)
  try {
    let figures = await asked<SyncFigures | { importMs: number }>(child)
    if ('importMs' in figures) figures = await asked<SyncFigures>(child)
    await asked(child, 'begin')
    await asked(server, { change: load })
    await new Promise((resolve) => setTimeout(resolve, 300))
    const report = await asked<ChangeFigures>(child, 'report')
    const after = await asked<{ watches: number; connections: number }>(server, { watches: true })
    return {
      ...figures,
      ...report,
      watches: after.watches,
      connections: after.connections - before.connections,
    }
  } finally {
    await endServer(child)
  }
}

/** Bytes kept per object of each kind. */
async function bytesPerObject(kubeconfig: string): Promise<Record<string, number>> {
  const child = start('bytes.ts', [kubeconfig])
  try {
    return await asked<Record<string, number>>(child)
  } finally {
    await endServer(child)
  }
}

export async function benchWatch(): Promise<void> {
  const share = process.env['BENCH_SHARE'] ?? '1'
  const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)
  const load = {
    rate: Number(process.env['BENCH_RATE'] ?? 1000),
    seconds: Number(process.env['BENCH_SECONDS'] ?? 8),
  }
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-watch-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const server = start('server.ts', [kubeconfig, share])
  try {
    const { size } = await asked<{ size: object }>(server)
    const peer = peerFolder()
    if (peer === undefined)
      console.log('bench: @kubernetes/client-node cannot be installed here; going on without it')
    const contenders: Record<string, readonly [string, readonly string[]]> = {
      plexus: ['plexus.ts', [kubeconfig]],
      ...(peer === undefined ? {} : { 'client-node': ['client-node.ts', [kubeconfig, peer]] as const }),
    }
    const results = new Map<string, Round[]>()
    for (let number = 0; number < rounds; number++) {
      for (const [name, [program, args]] of Object.entries(contenders)) {
        const result = await round(server, program, args, load)
        results.set(name, [...(results.get(name) ?? []), result])
      }
    }
    const of = (name: string, field: keyof Round): number =>
      median((results.get(name) ?? []).map((found) => found[field]))
    const fields: readonly [keyof Round, string][] = [
      ['syncMs', 'first sync ms'],
      ['cpuMs', 'CPU to sync ms'],
      ['keptMb', 'kept MB'],
      ['peakMb', 'peak RSS MB'],
      ['cpuMsPerSecond', `CPU ms/s at ${load.rate} changes/s`],
      ['p50Ms', 'latency p50 ms'],
      ['p99Ms', 'latency p99 ms'],
      ['changes', 'changes heard'],
      ['watches', 'watch requests'],
      ['connections', 'connections'],
    ]
    printTable(
      `watch: ${JSON.stringify(size)}, ${rounds} rounds, medians`,
      fields.map(([field, title]) => {
        const [ours, theirs] = [of('plexus', field), of('client-node', field)]
        return {
          figure: title,
          plexus: rounded(ours),
          ...(peer === undefined ? {} : { 'client-node': rounded(theirs), ratio: rounded(theirs / ours) }),
        }
      }),
    )
    const bytes = Object.entries(await bytesPerObject(kubeconfig))
    printTable(
      'watch: bytes kept per object (an EndpointSlice with its endpoints)',
      bytes.map(([kind, each]) => ({ kind, plexus: Math.round(each) })),
    )
  } finally {
    await endServer(server)
    rmSync(folder, { recursive: true, force: true })
  }
}
