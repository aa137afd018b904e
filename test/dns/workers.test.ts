/** Worker processes: one configuration and one cluster served by several, and handed over without a lost query. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Registry } from 'prom-client'
import { startDns } from '#dns'
import { Type } from '../../dns/wire/index.ts'
import { waitUntil } from '../support/index.ts'
import { ask, clusterOf, dig, freePort, memoryLog, serve } from './support/index.ts'
import { steadyLoad } from './support/steady-load.ts'

const service = (name: string, clusterIP: string): unknown => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
})
const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }

const corefile = (text = ''): string => `. {
  bind 127.0.0.1
  multisocket 3
  prometheus 127.0.0.1:0
  kubernetes cluster.local
  ${text}
}`

/** The address that every one of `count` sockets is told (the kernel spreads them over the workers). */
async function answersOf(port: number, name: string, count = 24): Promise<Set<string>> {
  const replies = await Promise.all(Array.from({ length: count }, () => ask(port, name, Type.A)))
  return new Set(
    replies.map((reply) => {
      const [record] = reply?.answer ?? []
      return record?.kind === 'address' ? record.address : `rcode ${reply?.rcode}`
    }),
  )
}

test.serial(
  'every process answers from its replica; a change reaches all; their counts are one',
  async (t) => {
    const { store, source } = await clusterOf(t, shop, service('catalog', '10.96.0.20'))
    const { dns, port, metrics } = await serve(t, corefile(), { store })
    t.is(dns.workers().size, 2)
    const name = 'catalog.shop.svc.cluster.local'
    t.deepEqual(await answersOf(port, name), new Set(['10.96.0.20']))
    source.apply(service('catalog', '10.96.0.21'))
    await waitUntil(async () => {
      const seen = await answersOf(port, name)
      return seen.size === 1 && seen.has('10.96.0.21')
    })
    t.is((await dig(port, name, 'A', '+tcp')).answer[0]?.split(' ').at(-1), '10.96.0.21')
    const before = await countOf(metrics)
    await answersOf(port, name, 60)
    await waitUntil(async () => (await countOf(metrics)) === before + 60)
    const own = await (await fetch(`http://127.0.0.1:${dns.httpPort('127.0.0.1:0')}/metrics`)).text()
    t.regex(own, /^coredns_build_info\{[^}]*\} 1$/m, 'infos are not added up')
    for (const pid of dns.workers().values()) process.kill(pid, 'SIGKILL')
    await waitUntil(() => !dns.health().ok)
    t.is(await countOf(metrics), before + 60, 'counts of workers that ended stay')
  },
)

async function countOf(metrics: Registry): Promise<number> {
  const found = await metrics.getSingleMetric('coredns_dns_requests_total')?.get()
  return (found?.values ?? []).reduce((sum, { value }) => sum + value, 0)
}

test.serial('a reload reaches every process; a worker that dies is replaced', async (t) => {
  const { store } = await clusterOf(t, shop, service('catalog', '10.96.0.20'))
  const directory = mkdtempSync(join(tmpdir(), 'plexus-workers-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'Corefile')
  const hosts = (address: string): string =>
    corefile(`hosts /nonexistent {\n ${address} static.example\n fallthrough\n }`)
  writeFileSync(path, hosts('192.0.2.1'))
  const { dns, port, lines } = await serve(t, path, { store, file: true })
  t.deepEqual(await answersOf(port, 'static.example'), new Set(['192.0.2.1']))
  writeFileSync(path, hosts('192.0.2.2'))
  t.true(await dns.reload())
  t.deepEqual(await answersOf(port, 'static.example'), new Set(['192.0.2.2']))

  const [victim] = dns.workers().values()
  process.kill(victim ?? 0, 'SIGKILL')
  await waitUntil(() => !dns.health().ok)
  t.regex(dns.health().detail ?? '', /worker 1 ended/)
  t.deepEqual(await answersOf(port, 'static.example'), new Set(['192.0.2.2']), 'the others answer meanwhile')
  await waitUntil(() => dns.health().ok && dns.workers().size === 2)
  t.not([...dns.workers().values()][0], victim)
  t.true(lines.some((line) => line.includes('a DNS worker ended')))
  await waitUntil(async () => (await answersOf(port, 'catalog.shop.svc.cluster.local')).has('10.96.0.20'))

  writeFileSync(path, hosts('192.0.2.3').replace('multisocket 3', 'multisocket 1'))
  t.true(await dns.reload())
  t.is(dns.workers().size, 0)
  t.deepEqual(await answersOf(port, 'static.example'), new Set(['192.0.2.3']))
})

test.serial(
  'a rolling restart loses no query: the next server shares the port before the old one goes',
  async (t) => {
    const { store } = await clusterOf(t, shop, service('catalog', '10.96.0.20'))
    const port = await freePort()
    const text = `.:${port} {\n bind 127.0.0.1\n health 127.0.0.1:${await freePort()}\n kubernetes cluster.local\n}`
    const start = (): ReturnType<typeof startDns> =>
      startDns({ corefile: { text }, store, log: memoryLog().log, metrics: new Registry(), workers: 2 })
    let current = await start()
    const load = await steadyLoad({ port, name: 'catalog.shop.svc.cluster.local', perSecond: 2000 })
    t.teardown(async () => {
      await load.stop()
      await current.stop()
    })
    for (let i = 0; i < 3; i += 1) {
      const old = current
      current = await start()
      await old.stop()
    }
    const { sent, lost, wrong } = await load.stop()
    t.true(sent > 500, `${sent} queries were sent`)
    t.deepEqual({ lost, wrong }, { lost: 0, wrong: 0 })
  },
)

test.serial('Pods are given to workers only where something asks for them', async (t) => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'one' },
    spec: { containers: [{ name: 'main', image: 'x' }] },
    status: { phase: 'Running', podIP: '10.244.0.9', podIPs: [{ ip: '10.244.0.9' }] },
  }
  const { store } = await clusterOf(t, shop, service('catalog', '10.96.0.20'), pod)
  const directory = mkdtempSync(join(tmpdir(), 'plexus-workers-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'Corefile')
  const pods = (mode: string): string =>
    `. {\n bind 127.0.0.1\n multisocket 2\n kubernetes cluster.local {\n  pods ${mode}\n }\n}`
  writeFileSync(path, pods('insecure'))
  const { dns, port } = await serve(t, path, { store, file: true })
  const name = '10-244-0-9.shop.pod.cluster.local'
  t.deepEqual(await answersOf(port, name), new Set(['10.244.0.9']))
  const [before] = dns.workers().values()
  writeFileSync(path, pods('verified'))
  t.true(await dns.reload())
  t.not([...dns.workers().values()][0], before, 'a worker without Pods gives way to one that has them')
  t.deepEqual(await answersOf(port, name), new Set(['10.244.0.9']))
  t.deepEqual(await answersOf(port, '10-244-0-8.shop.pod.cluster.local'), new Set(['rcode 3']))
  t.true(dns.health().ok)
})
