// The gateway against nginx (one worker) and http-proxy: the same backend, the same load, interleaved in one run.
// Proxy on CPU 0; load generator and backend on CPU 1. CPU per request is the proxy's whole process tree.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { treeCpuSeconds } from '../support/cpu.ts'
import { endServer, output, portOpens, startServer } from '../support/process.ts'
import { median, printTable, rounded } from '../support/table.ts'
import { httpProxyProgram, nginxConfiguration, plexusFiles, requestHeaders } from './contenders.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4)
const connections = 32
const ports = { backend: 19_800, nginx: 19_801, 'http-proxy': 19_802, plexus: 19_803, admin: 19_804 }

type Contender = 'plexus' | 'nginx' | 'http-proxy'

/** Runs all rounds and prints the table. */
export async function benchGateway(): Promise<void> {
  const root = join(import.meta.dirname, '..', '..')
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-gateway-'))
  const at = (name: string): string => join(folder, name)
  const file = (name: string, text: string): string => {
    writeFileSync(at(name), text)
    return at(name)
  }
  const nginx = (name: string, text: string, cpu: number) =>
    startServer('/usr/sbin/nginx', ['-p', folder, '-c', file(name, text), '-g', 'daemon off;'], { cpu })
  const { manifests, config } = plexusFiles(folder, ports)
  const servers = [nginx('backend.conf', nginxConfiguration.backend(folder, ports.backend), 1)]
  const contenders: Record<Contender, ReturnType<typeof startServer>> = {
    plexus: startServer(join(root, 'bin/plexus'), ['gateway', '--manifests', manifests, '--config', config], {
      cpu: 0,
    }),
    nginx: nginx('proxy.conf', nginxConfiguration.proxy(folder, ports.nginx, ports.backend), 0),
    'http-proxy': startServer(
      process.execPath,
      ['--input-type=module', '-e', httpProxyProgram(ports['http-proxy'], ports.backend)],
      { cpu: 0, cwd: root },
    ),
  }
  try {
    await Promise.all(
      Object.values(ports).map((port) => (port === ports.admin ? undefined : portOpens(port))),
    )
    const names = Object.keys(contenders) as Contender[]
    const results = new Map(
      names.map((name) => [name, [] as { rate: number; cpu: number; p99: number; errors: number }[]]),
    )
    for (const name of names) await load(ports[name], 2)
    for (let round = 0; round < rounds; round += 1) {
      for (const name of names) {
        const before = treeCpuSeconds(contenders[name].pid)
        const { requests, p99, errors } = await load(ports[name], seconds)
        const cpu = ((treeCpuSeconds(contenders[name].pid) - before) / requests) * 1e6
        results.get(name)?.push({ rate: requests / seconds, cpu, p99, errors })
      }
    }
    const of = (name: Contender, key: 'rate' | 'cpu' | 'p99'): number =>
      median((results.get(name) ?? []).map((r) => r[key]))
    printTable(
      `gateway: ${connections} connections, 13 request headers, 60-byte answer, ${rounds} rounds of ${seconds} s`,
      names.map((name) => ({
        proxy: name,
        'req/s': rounded(of(name, 'rate'), 0),
        'CPU us/req': rounded(of(name, 'cpu')),
        'p99 ms': rounded(of(name, 'p99')),
        errors: (results.get(name) ?? []).reduce((sum, { errors }) => sum + errors, 0),
        'req per CPU s vs nginx': rounded(of('nginx', 'cpu') / of(name, 'cpu')),
        'vs http-proxy': rounded(of('http-proxy', 'cpu') / of(name, 'cpu')),
      })),
    )
  } finally {
    await Promise.all([...Object.values(contenders), ...servers].map(endServer))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function load(
  port: number,
  duration: number,
): Promise<{ requests: number; p99: number; errors: number }> {
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${duration}s`,
    '--latency',
    ...requestHeaders.flatMap((h) => ['-H', h]),
  ]
  const text = await output('taskset', [
    '-c',
    '1',
    'wrk',
    ...args,
    `http://127.0.0.1:${port}/api/books/42?page=3`,
  ])
  const requests = Number(/(\d+) requests in/.exec(text)?.[1])
  const [, value = 'NaN', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? []
  const p99 = Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's']
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  const other = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
  return {
    requests,
    p99,
    errors: other + (socketErrors?.slice(1).reduce((sum, n) => sum + Number(n), 0) ?? 0),
  }
}
