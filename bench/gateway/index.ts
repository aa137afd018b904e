// The gateway against nginx, HAProxy, nginx with Lua hooks and the http-proxy libraries: the same backend, the same load,
// interleaved in one run. Proxy on CPU 0; load generator and backend on CPU 1. CPU per request is the proxy's whole tree.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { treeCpuSeconds } from '../support/cpu.ts'
import { endServer, portOpens, startServer } from '../support/process.ts'
import { median, printTable, rounded } from '../support/table.ts'
import {
  backendConfiguration,
  haproxyConfiguration,
  httpProxyProgram,
  luaProxy,
  nginxProxy,
  plexusFiles,
  put,
  requestHeaders,
  socketBackend,
} from './contenders.ts'
import { type Measured, run } from './load.ts'
import { type Contender, type Row, rows } from './rows.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4)
/** Only rows whose name contains this. */
const wanted = process.env['BENCH_ROWS'] ?? ''
const warmUp = Number(process.env['BENCH_WARMUP'] ?? 8)
const warm = new Set<string>()
const targets = { backend: 19_800, sockets: 19_799, grpc: 19_796 }
const admin = { plexus: 19_797, 'plexus-2': 19_798 }
const names: readonly Contender[] = [
  'plexus',
  'nginx',
  'haproxy',
  'nginx-lua',
  'http-proxy',
  'http-proxy-3',
  'plexus-2',
  'nginx-2',
]
const portsOf = (name: Contender) => {
  const plain = 19_801 + 2 * names.indexOf(name)
  // Plexus takes HTTP/2 where it takes HTTP/1.1.
  return { plain, tls: plain + 1, h2c: name.startsWith('plexus') ? plain : plain + 100 }
}

type Process = ReturnType<typeof startServer>

/** Runs all rows and prints a table for each, at last one of the ratios. */
export async function benchGateway(): Promise<void> {
  const chosen = rows.filter(({ name }) => name.includes(wanted))
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-gateway-'))
  const running = new Map<Contender, Process>()
  const backends: Process[] = []
  try {
    prepare(folder)
    backends.push(nginx(folder, 'backend', backendConfiguration(folder, targets), 1))
    backends.push(node(folder, socketBackend(targets.sockets), 1))
    await Promise.all(Object.values(targets).map((port) => portOpens(port)))
    const needed = names.filter((name) => chosen.some(({ contenders }) => contenders.includes(name)))
    for (const name of needed) running.set(name, start(folder, name))
    await Promise.all(needed.map((name) => portOpens(portsOf(name).plain)))
    for (const name of ['plexus', 'plexus-2'] as const) {
      if (!needed.includes(name)) continue
      await portOpens(admin[name])
      await configure(folder, admin[name], chosen)
    }
    const ratios: Record<string, string | number>[] = []
    for (const row of chosen) ratios.push(await measure(row, running, join(folder, 'message')))
    printTable('gateway: requests per CPU second, Plexus over each (above 1: Plexus does more)', ratios)
  } finally {
    await Promise.all([...running.values(), ...backends].map(endServer))
    rmSync(folder, { recursive: true, force: true })
  }
}

function prepare(folder: string): void {
  mkdirSync(join(folder, 'body'))
  for (const [name, size] of [
    ['1k', 1024],
    ['100k', 102_400],
    ['1m', 1_048_576],
  ] as const)
    writeFileSync(join(folder, 'body', name), Buffer.alloc(size, 'book '))
  // A gRPC message: not compressed, its length, a field 1 of 40 bytes.
  writeFileSync(
    join(folder, 'message'),
    Buffer.concat([Buffer.from([0, 0, 0, 0, 42, 10, 40]), Buffer.alloc(40, 'book')]),
  )
  const at = (name: string) => join(folder, name)
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=shop.example.test', '-keyout', at('key.pem'), '-out', at('cert.pem')],
    ],
    { stdio: 'ignore' },
  )
  writeFileSync(at('both.pem'), readFileSync(at('cert.pem'), 'utf8') + readFileSync(at('key.pem'), 'utf8'))
}

function nginx(folder: string, name: string, text: string, cpu: number | undefined): Process {
  const file = join(folder, `${name}.conf`)
  writeFileSync(file, text)
  return startServer(
    '/usr/sbin/nginx',
    ['-p', folder, '-c', file, '-g', 'daemon off;'],
    cpu === undefined ? {} : { cpu },
  )
}

function node(_folder: string, program: string, cpu: number): Process {
  const cwd = join(import.meta.dirname, '..', '..')
  return startServer(process.execPath, ['--input-type=module', '-e', program], { cpu, cwd })
}

function start(folder: string, name: Contender): Process {
  const ports = portsOf(name)
  switch (name) {
    case 'plexus':
    case 'plexus-2': {
      const workers = name === 'plexus' ? 1 : 2
      const { manifests, config } = plexusFiles(folder, { ...ports, ...targets, admin: admin[name] }, workers)
      const program = join(import.meta.dirname, '..', '..', 'bin/plexus')
      const args = ['gateway', '--manifests', manifests, '--config', config]
      return startServer(program, args, workers === 1 ? { cpu: 0 } : {})
    }
    case 'nginx':
      return nginx(folder, name, nginxProxy(folder, name, ports, targets), 0)
    case 'nginx-2':
      return nginx(folder, name, nginxProxy(folder, name, ports, targets, 2), undefined)
    case 'nginx-lua':
      return nginx(folder, name, luaProxy(folder, name, ports, targets), 0)
    case 'haproxy': {
      const file = join(folder, 'haproxy.cfg')
      writeFileSync(file, haproxyConfiguration(folder, ports, targets))
      return startServer('/usr/sbin/haproxy', ['-f', file], { cpu: 0 })
    }
    default:
      return node(folder, httpProxyProgram(name, ports.plain, targets), 0)
  }
}

/** The certificate, and the routes with plugins. */
async function configure(folder: string, port: number, chosen: readonly Row[]): Promise<void> {
  const pem = (name: string) => readFileSync(join(folder, name), 'utf8')
  await put(port, '/ssls/1', { sni: 'shop.example.test', cert: pem('cert.pem'), key: pem('key.pem') })
  const upstream = { nodes: { [`127.0.0.1:${targets.backend}`]: 1 } }
  const count = { 'limit-count': { count: 1_000_000_000, time_window: 3600 } }
  await put(port, '/consumers', { username: 'bench', plugins: { 'key-auth': { key: 'a-key-of-the-bench' } } })
  const paths = {
    limited: { ...count, prometheus: {} },
    keyed: { 'key-auth': {} },
    four: { ...count, prometheus: {}, 'key-auth': {}, 'request-id': {} },
  }
  for (const [path, plugins] of Object.entries(paths))
    await put(port, `/routes/${path}`, { uri: `/${path}/*`, host: 'shop.example.test', plugins, upstream })
  await put(port, '/routes/grpc', {
    uri: '/books.Books/*',
    upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${targets.grpc}`]: 1 } },
  })
  await put(port, '/routes/ws', {
    uri: '/ws',
    enable_websocket: true,
    upstream: { nodes: { [`127.0.0.1:${targets.sockets}`]: 1 } },
  })
  if (!chosen.some(({ plexusPath }) => plexusPath?.startsWith('/many/'))) return
  await put(port, '/upstreams/many', upstream)
  for (let at = 0; at < 10_000; at += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        put(port, `/routes/many-${at + n}`, {
          uri: `/many/${at + n}/*`,
          host: 'shop.example.test',
          upstream_id: 'many',
        }),
      ),
    )
}

async function measure(
  row: Row,
  running: ReadonlyMap<Contender, Process>,
  message: string,
): Promise<Record<string, string | number>> {
  const results = new Map(
    row.contenders.map((name) => [name, [] as (Measured & { rate: number; cpu: number })[]]),
  )
  const loadOf = (name: Contender) =>
    name.startsWith('plexus')
      ? {
          ...row.load,
          path: row.plexusPath ?? row.load.path,
          headers: [...requestHeaders, ...(row.plexusHeaders ?? [])],
        }
      : row.load
  // A compiler that learns while it runs gets the time once, for connections that end once more; everybody a second per row.
  for (const name of row.contenders) {
    const learned = `${name} ${row.load.close ?? false}`
    await run(loadOf(name), portsOf(name), { seconds: warm.has(learned) ? 1 : warmUp, message })
    warm.add(learned)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of row.contenders) {
      const pid = running.get(name)?.pid ?? 0
      const before = treeCpuSeconds(pid)
      const measured = await run(loadOf(name), portsOf(name), { seconds, message })
      const cpu = ((treeCpuSeconds(pid) - before) / measured.requests) * 1e6
      results.get(name)?.push({ ...measured, rate: measured.requests / seconds, cpu })
    }
  }
  const of = (name: Contender, key: 'rate' | 'cpu' | 'p99'): number =>
    median((results.get(name) ?? []).map((result) => result[key]))
  const [ours = 'plexus'] = row.contenders
  printTable(
    `gateway: ${row.name} (${rounds} rounds of ${seconds} s)`,
    row.contenders.map((name) => ({
      proxy: name,
      'req/s': rounded(of(name, 'rate'), 0),
      'CPU us/req': rounded(of(name, 'cpu')),
      'p99 ms': rounded(of(name, 'p99')),
      errors: (results.get(name) ?? []).reduce((sum, { errors }) => sum + errors, 0),
    })),
  )
  const ratio = (name: Contender) => {
    const other = name === 'nginx' && row.contenders.includes('nginx-2') ? 'nginx-2' : name
    return row.contenders.includes(other) ? rounded(of(other, 'cpu') / of(ours, 'cpu')) : '-'
  }
  return {
    row: row.name,
    nginx: ratio('nginx'),
    haproxy: ratio('haproxy'),
    'nginx-lua': ratio('nginx-lua'),
    'http-proxy': ratio('http-proxy'),
    'http-proxy-3': ratio('http-proxy-3'),
  }
}
