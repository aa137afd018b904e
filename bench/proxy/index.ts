// Service load balancing: our layout and program against kube-proxy's layout through `nft -f`, and against kube-proxy itself
// where Go can build it, in network namespaces of their own. (a) full load, (b) one endpoint change, event to kernel, (c) connections through a Service, (d) memory.
import { createNetns, deleteNetns } from '#netlink'
import { printTable, rounded } from '../support/table.ts'
import { buildKubeProxy } from './build-kube-proxy.ts'
import { connectionCosts } from './connections.ts'
import { inside, ip, namespacePath } from './namespaces.ts'

const numbers = (text: string) => text.split(',').map(Number)
const sizes = numbers(process.env['BENCH_SIZES'] ?? '1000,10000,30000')
/** kube-proxy's layout takes 36 s at 10k, and the square of that above: BENCH_NFT_SIZES=10000 for the patient. */
const nftSizes = numbers(process.env['BENCH_NFT_SIZES'] ?? '1000,3000')
/** kube-proxy itself takes somewhat longer still. */
const realSizes = numbers(process.env['BENCH_KUBE_PROXY_SIZES'] ?? '1000')
const endpoints = 5

interface Figures {
  readonly loadMs: number
  readonly loadCpuMs?: number
  readonly replaced: { readonly p50: number; readonly p99: number }
  readonly scaled?: { readonly p50: number; readonly p99: number }
  readonly added?: { readonly p50: number; readonly p99: number }
  readonly hundredMs?: number
  readonly restartMs?: number
  readonly baseMb?: number
  readonly loadedMb?: number
}

/** Runs all parts and prints two tables. */
export async function benchProxy(): Promise<void> {
  const kubeProxy = buildKubeProxy()
  try {
    const real = kubeProxy === undefined ? [] : realSizes
    printTable(`proxy: services x ${endpoints} endpoints; a change is one endpoint, event to kernel`, [
      ...sizes.map((size) => row('plexus', size, figures(size, 'plexus-program.ts'))),
      ...nftSizes.map((size) =>
        row('kube-proxy layout, nft -f', size, figures(size, 'kube-proxy-program.ts')),
      ),
      ...real.map((size) =>
        row('kube-proxy 1.34', size, figures(size, 'real-kube-proxy-program.ts', kubeProxy?.binary ?? '')),
      ),
    ])
    await connectionCosts(kubeProxy?.binary)
  } finally {
    kubeProxy?.remove()
  }
}

function figures(size: number, program: string, ...before: string[]): Figures {
  const netns = namespacePath(`bench${size}`)
  createNetns(netns)
  try {
    ip(netns, 'link set lo up')
    return JSON.parse(inside(netns, program, [...before, String(size), String(endpoints)])) as Figures
  } finally {
    deleteNetns(netns)
  }
}

function row(layout: string, size: number, figure: Figures): Record<string, string | number> {
  const pair = (values: Figures['scaled']) =>
    values === undefined ? '-' : `${rounded(values.p50)} / ${rounded(values.p99)}`
  const or = (value: number | undefined) => (value === undefined ? '-' : rounded(value, 0))
  const { baseMb = 0, loadedMb } = figure
  return {
    layout,
    services: size,
    'load ms': or(figure.loadMs),
    'load CPU ms': or(figure.loadCpuMs),
    'replace ms p50/p99': pair(figure.replaced),
    '5->6 ms p50/p99': pair(figure.scaled),
    'new service ms': pair(figure.added),
    '100 scaled ms': or(figure.hundredMs),
    'restart ms': or(figure.restartMs),
    'RSS MB': or(loadedMb),
    'of it proxy MB': loadedMb === undefined ? '-' : or(loadedMb - baseMb),
  }
}
