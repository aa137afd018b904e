/**
 * Mixed load while everything changes: endpoints 200 times a second, the Corefile, an upstream that comes and goes. No
 * query may be lost. A few seconds here; ten minutes, and memory, with PLEXUS_LONG=1.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { MemorySource } from '#watch'
import { always, clusterOf, serve, stubUpstream } from './support/index.ts'
import { steadyLoad } from './support/steady-load.ts'

const long = process.env['PLEXUS_LONG'] === '1'
const seconds = long ? 600 : 4
const services = 50
/** endpoint changes a second, in batches */
const churn = 200
const batches = 20

const service = (i: number): unknown => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name: `svc-${i}` },
  spec: { clusterIP: i % 2 === 0 ? 'None' : `10.96.1.${i}`, ports: [{ name: 'http', port: 80 }] },
})

const slice = (i: number, round: number): unknown => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    namespace: 'shop',
    name: `svc-${i}-a`,
    labels: { 'kubernetes.io/service-name': `svc-${i}` },
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: [1, 2, 3].map((n) => ({
    addresses: [`10.244.${i}.${((round + n * 50) % 250) + 1}`],
    conditions: { ready: true },
  })),
})

const residentMB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

test.serial('reloads, churn and failing upstreams cost no query', async (t) => {
  t.timeout((seconds + 120) * 1000)
  const objects = Array.from({ length: services }, (_, i) => [service(i), slice(i, 0)]).flat()
  const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }
  const { store, source } = await clusterOf(t, shop, ...objects)
  const steady = await stubUpstream(t, always('192.0.2.1', 2))
  let away = false
  const failing = await stubUpstream(t, (query, transport) =>
    away ? undefined : always('192.0.2.1', 2)(query, transport),
  )
  const directory = mkdtempSync(join(tmpdir(), 'plexus-endurance-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'Corefile')
  const corefile = (ttl: number): string => `. {
  bind 127.0.0.1
  multisocket 2
  errors
  kubernetes cluster.local 10.in-addr.arpa
  forward . 127.0.0.1:${failing.port} 127.0.0.1:${steady.port} {
    policy round_robin
    max_fails 1
  }
  cache ${ttl}
  loadbalance
}`
  writeFileSync(path, corefile(30))
  const { dns, port } = await serve(t, path, { store, file: true })

  let next = 0
  const loads = await Promise.all([
    steadyLoad({ port, name: 'svc-1.shop.svc.cluster.local', perSecond: 500 }),
    steadyLoad({ port, name: () => `svc-${next++ % services}.shop.svc.cluster.local`, perSecond: 500 }),
    steadyLoad({ port, name: () => `host-${next++ % 40}.example`, perSecond: 200 }),
  ])
  t.teardown(() => Promise.all(loads.map((load) => load.stop())).then(() => undefined))

  const pids = (): number[] => [process.pid, ...dns.workers().values()]
  const peaks = [0, 0]
  let reloads = 0
  let round = 0
  const end = Date.now() + seconds * 1000
  const half = end - (seconds * 1000) / 2
  while (Date.now() < end) {
    round += 1
    change(source, round)
    away = round % 60 < 20
    if (round % 20 === 0) {
      writeFileSync(path, corefile(30 + (round % 40)))
      t.true(await dns.reload())
      reloads += 1
      const memory = pids().reduce((sum, pid) => sum + residentMB(pid), 0)
      const which = Date.now() < half ? 0 : 1
      peaks[which] = Math.max(peaks[which] ?? 0, memory)
    }
    await sleep(1000 / batches)
  }
  const reports = await Promise.all(loads.map((load) => load.stop()))
  t.log(
    `${reloads} reloads, ${reports.map(({ sent }) => sent).join(' + ')} queries, MB ${peaks.map(Math.round)}`,
  )
  t.true(reports.every(({ sent }) => sent > 0) && reloads > 0)
  for (const { lost, wrong } of reports) t.deepEqual({ lost, wrong }, { lost: 0, wrong: 0 })
  if (long) t.true((peaks[1] ?? 0) < (peaks[0] ?? 0) * 1.15 + 20, `memory grew: ${peaks.join(' -> ')} MB`)
})

function change(source: MemorySource, round: number): void {
  const each = churn / batches
  source.apply(...Array.from({ length: each }, (_, i) => slice((round * each + i) % services, round)))
}
