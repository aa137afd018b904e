// kube-proxy itself (built from ./kube-proxy) in nftables mode, fed by an API server in this process, in the network namespace
// of this process: prints its figures as JSON.
//     real-kube-proxy-program.ts BINARY SERVICES ENDPOINTS [keep]
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NftSocket } from '#netlink'
import { ApiServer } from '../../test/apiserver/api-server.ts'
import { lifetimeCpuSeconds } from '../support/cpu.ts'
import { endpointAddresses, serviceObject, sliceObject } from './cluster.ts'
import { requireOwnNamespace } from './namespaces.ts'

requireOwnNamespace()
const [binary = '', size = '', each = '', keep] = process.argv.slice(2)
const services = Number(size)
const endpoints = Number(each)
const changes = Number(process.env['BENCH_NFT_CHANGES'] ?? 10)

const server = await ApiServer.start({ mode: 'plain' })
server.put({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node0' },
  status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
} as never)
for (let index = 0; index < services; index += 1)
  server.put(serviceObject(index), sliceObject(index, endpointAddresses(index, endpoints)))

const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-'))
const config = join(folder, 'config.json')
writeFileSync(
  config,
  JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: 'node0',
    clientConnection: {
      kubeconfig: server.writeKubeconfig(join(folder, 'kubeconfig')),
      acceptContentTypes: 'application/json',
      contentType: 'application/json',
    },
    clusterCIDR: '10.128.0.0/9',
    // As fast as it can: by default it waits for a second between two syncs.
    nftables: { minSyncPeriod: '1ms', syncPeriod: '30s', masqueradeBit: 14 },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
  }),
)

const nft = new NftSocket()
/** kube-proxy runs nft as a child, and there are others of that name. */
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
const child = spawn(binary, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'], env })
let log = ''
child.stderr.on('data', (text: Buffer) => {
  log = (log + text.toString()).slice(-20_000)
})

/** Sum and count of a histogram of kube-proxy's, IPv4. */
async function syncs(name: string): Promise<{ seconds: number; count: number }> {
  if (child.exitCode !== null) throw new Error(`kube-proxy ended with ${child.exitCode}:\n${log}`)
  const text = await fetch('http://127.0.0.1:10249/metrics')
    .then((answer) => answer.text())
    .catch(() => '')
  const value = (part: string) =>
    Number(
      new RegExp(`^kubeproxy_${name}_${part}(?:\\{ip_family="IPv4"\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 0,
    )
  return { seconds: value('sum'), count: value('count') }
}

async function loaded(): Promise<void> {
  while ((await syncs('sync_full_proxy_rules_duration_seconds')).count === 0) await sleep(100)
}

/** Until nothing was committed for a while. */
async function quiet(): Promise<void> {
  for (let before = -1; ; await sleep(400)) {
    const now = nft.generation()
    if (now === before) return
    before = now
  }
}

const began = performance.now()
await loaded()
await quiet()
const loadCpuMs = lifetimeCpuSeconds(child.pid ?? 0) * 1000
const { seconds } = await syncs('sync_full_proxy_rules_duration_seconds')
const samples: number[] = []
for (let step = 0; keep === undefined && step < changes; step += 1) {
  const index = (step * 7919 + 1) % services
  const addresses = endpointAddresses(index, endpoints)
  addresses[addresses.length - 1] = endpointAddresses(index, endpoints, 1)[0] ?? ''
  const before = nft.generation()
  const start = performance.now()
  server.put(sliceObject(index, addresses))
  while (nft.generation() === before) {
    if (performance.now() - start > 60_000) throw new Error(`kube-proxy did nothing for a minute:\n${log}`)
    await sleep(0)
  }
  samples.push(performance.now() - start)
  await quiet()
}
const rss =
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1] ?? 0) / 1024
child.kill()
await server.stop()
nft.close()
rmSync(folder, { recursive: true })
samples.sort((a, b) => a - b)
const at = (part: number) => samples[Math.min(samples.length - 1, Math.floor(samples.length * part))] ?? 0
process.stdout.write(
  `${JSON.stringify({
    services,
    endpoints,
    loadMs: seconds * 1000,
    startMs: performance.now() - began,
    loadCpuMs,
    replaced: { p50: at(0.5), p99: at(0.99) },
    baseMb: 0,
    loadedMb: rss,
  })}\n`,
)
process.exit(0)
