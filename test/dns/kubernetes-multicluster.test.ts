/** kubernetes `multicluster`: ServiceImports (KEP-1645) of a directory of manifests, asked for with dig. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { manifestSource, openStore, type Store } from '#watch'
import { Type } from '../../dns/wire/index.ts'
import { testDirectory, waitUntil } from '../support/index.ts'
import { ask, dig, memoryLog, serve, type Teardown } from './support/index.ts'

const clusters = `
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: catalog, namespace: shop }
spec:
  type: ClusterSetIP
  ips: [10.42.0.1, "fd42::1"]
  ports: [{ name: http, port: 80, protocol: TCP }, { name: dns, port: 53, protocol: UDP }]
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: hdls1, namespace: shop, labels: { team: blue } }
spec: { type: Headless, ports: [{ name: http, port: 80 }] }
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: nobody, namespace: shop }
spec: { type: Headless, ports: [{ name: http, port: 80 }] }
`

interface Listed {
  readonly address: string
  readonly hostname?: string
  readonly ready?: boolean
}

/** A slice as an implementation of the API imports it. */
function imported(name: string, cluster: string | undefined, endpoints: readonly Listed[]): string {
  const label = 'multicluster.kubernetes.io'
  return JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'shop',
      name: `${name}-${cluster ?? 'here'}-${endpoints[0]?.address.replaceAll(/[.:]+/g, '-')}`,
      labels: {
        [`${label}/service-name`]: name,
        ...(cluster === undefined ? {} : { [`${label}/source-cluster`]: cluster }),
      },
    },
    addressType: endpoints[0]?.address.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: endpoints.map(({ address, hostname, ready = true }) => ({
      addresses: [address],
      conditions: { ready },
      ...(hostname === undefined ? {} : { hostname }),
    })),
  })
}

const slices: Readonly<Record<string, string>> = {
  'west.json': imported('hdls1', 'cluster1', [
    { address: '172.0.0.2' },
    { address: '172.0.0.4', hostname: 'db-0' },
    { address: '172.0.0.66', ready: false },
  ]),
  'west6.json': imported('hdls1', 'cluster1', [{ address: '5678:abcd::1' }]),
  'east.json': imported('hdls1', 'cluster2', [{ address: '172.1.0.4', hostname: 'db-0' }]),
  'catalog.json': imported('catalog', 'cluster2', [{ address: '172.1.0.9' }]),
}

/** Names that are in this cluster alone, and one that is a pod's. */
const own = `
apiVersion: v1
kind: Service
metadata: { name: local, namespace: shop }
spec: { clusterIP: 10.96.0.1, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: catalog, namespace: shop }
spec: { clusterIP: 10.96.0.2, ports: [{ name: http, port: 80 }] }
`

async function manifests(t: Teardown): Promise<{ store: Store; directory: string }> {
  const directory = testDirectory(t, 'multicluster')
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text)
  write('imports.yaml', clusters)
  write('own.yaml', own)
  for (const [name, text] of Object.entries(slices)) write(name, text)
  const { log } = memoryLog()
  const store = await openStore({ source: manifestSource({ directories: [directory], log }), log })
  t.teardown(() => store.close())
  return { store, directory }
}

const corefile = (properties = 'multicluster clusterset.local', more = ''): string => `. {
  bind 127.0.0.1
  ${more}
  kubernetes cluster.local clusterset.local 10.0.0.0/8 {
    pods insecure
    zonal
    ${properties}
  }
}`

const name = (below: string): string => `${below}.shop.svc.clusterset.local.`

test('ClusterSetIP: its addresses, SRV of named ports, names of endpoints by cluster', async (t) => {
  const { store } = await manifests(t)
  const { port } = await serve(t, corefile(), { store })
  const answer = async (below: string, type: string) => (await dig(port, name(below), type)).answer
  t.deepEqual(await answer('catalog', 'A'), [`${name('catalog')} 5 A 10.42.0.1`])
  t.deepEqual(await answer('catalog', 'AAAA'), [`${name('catalog')} 5 AAAA fd42::1`])
  const srv = await dig(port, name('_dns._udp.catalog'), 'SRV')
  t.deepEqual(srv.answer, [`${name('_dns._udp.catalog')} 5 SRV 0 50 53 ${name('catalog')}`])
  t.deepEqual([...srv.additional].sort(), [
    `${name('catalog')} 5 A 10.42.0.1`,
    `${name('catalog')} 5 AAAA fd42::1`,
  ])
  t.true(srv.flags.includes('aa'))
  t.deepEqual(await answer('172-1-0-9.cluster2.catalog', 'A'), [
    `${name('172-1-0-9.cluster2.catalog')} 5 A 172.1.0.9`,
  ])
  // The Service of the same name is another one, in the other zone.
  const here = 'catalog.shop.svc.cluster.local.'
  t.deepEqual((await dig(port, here, 'A')).answer, [`${here} 5 A 10.96.0.2`])
})

test('headless: every ready endpoint of every cluster, and each below its cluster', async (t) => {
  const { store } = await manifests(t)
  const { port } = await serve(t, corefile(), { store })
  const answer = async (below: string, type: string) =>
    [...(await dig(port, name(below), type)).answer].sort()
  t.deepEqual(
    await answer('hdls1', 'A'),
    ['172.0.0.2', '172.0.0.4', '172.1.0.4'].map((address) => `${name('hdls1')} 5 A ${address}`),
  )
  t.deepEqual(await answer('hdls1', 'AAAA'), [`${name('hdls1')} 5 AAAA 5678:abcd::1`])
  for (const [host, type, address] of [
    ['db-0.cluster1', 'A', '172.0.0.4'],
    ['db-0.cluster2', 'A', '172.1.0.4'],
    ['DB-0.Cluster2', 'A', '172.1.0.4'],
    ['172-0-0-2.cluster1', 'A', '172.0.0.2'],
    ['5678-abcd--1.cluster1', 'AAAA', '5678:abcd::1'],
  ] as const)
    t.deepEqual(await answer(`${host}.hdls1`, type), [`${name(`${host}.hdls1`)} 5 ${type} ${address}`])
  const srv = await dig(port, name('_http._tcp.hdls1'), 'SRV')
  const hosts = ['172-0-0-2.cluster1', '5678-abcd--1.cluster1', 'db-0.cluster1', 'db-0.cluster2']
  t.deepEqual(
    [...srv.answer].sort(),
    hosts.map((host) => `${name('_http._tcp.hdls1')} 5 SRV 0 25 8080 ${name(`${host}.hdls1`)}`),
  )
  t.is(srv.additional.length, 4)
  t.true(srv.additional.includes(`${name('db-0.cluster2.hdls1')} 5 A 172.1.0.4`))
})

test('what exists without records, and what does not exist', async (t) => {
  const { store } = await manifests(t)
  const { port } = await serve(t, corefile(), { store })
  const nodata: readonly (readonly [string, string])[] = [
    ['clusterset.local.', 'A'],
    ['svc.clusterset.local.', 'A'],
    ['shop.svc.clusterset.local.', 'A'],
    [name('catalog'), 'TXT'],
    [name('db-0.cluster1.hdls1'), 'AAAA'],
  ]
  for (const [asked, type] of nodata) {
    const { status, answer, authority } = await dig(port, asked, type)
    t.deepEqual([status, answer, authority.length], ['NOERROR', [], 1], `${asked} ${type}`)
    t.regex(authority[0] ?? '', /^clusterset\.local\. 5 SOA ns\.dns\.clusterset\.local\. /)
  }
  for (const asked of [
    name('local'),
    name('nobody'),
    name('db-0.hdls1'),
    name('5678-abcd--1.hdls1'),
    name('172-0-0-66.cluster1.hdls1'),
    name('172-0-0-2.cluster2.hdls1'),
    name('_ftp._tcp.catalog'),
    name('_http._udp.catalog'),
    name('west.pin._zone.hdls1'),
    'catalog.elsewhere.svc.clusterset.local.',
    'elsewhere.svc.clusterset.local.',
    '10-1-2-3.shop.pod.clusterset.local.',
    'shop.pod.clusterset.local.',
    'pod.clusterset.local.',
    // In the other zone: no endpoints by cluster, no imports.
    'hdls1.shop.svc.cluster.local.',
    '172-1-0-9.cluster2.catalog.shop.svc.cluster.local.',
  ]) {
    const { status, authority } = await dig(port, asked, 'A')
    t.deepEqual([status, authority.length], ['NXDOMAIN', 1], asked)
  }
  t.is((await dig(port, '10-1-2-3.shop.pod.cluster.local.', 'A')).answer.length, 1)
  t.is((await dig(port, 'dns-version.clusterset.local', 'TXT')).answer.length, 1)
  t.deepEqual((await dig(port, 'clusterset.local', 'NS')).answer, [
    'clusterset.local. 5 NS ns.dns.clusterset.local.',
  ])
  t.is((await dig(port, 'ns.dns.clusterset.local', 'A')).answer.length, 1)
  // Without the option it is a zone as any other.
  const plain = await serve(t, corefile(''), { store })
  t.is((await dig(plain.port, name('hdls1'), 'A')).status, 'NXDOMAIN')
  t.is((await dig(plain.port, name('local'), 'A')).answer.length, 1)
})

test('changes of imports and of their slices show in the next answers', async (t) => {
  const { store, directory } = await manifests(t)
  const { port } = await serve(t, corefile('multicluster clusterset.local', 'cache 30'), { store })
  const addresses = async (below: string): Promise<string> => {
    const { status, answer } = await dig(port, name(below), 'A')
    return `${status} ${answer
      .map((line) => line.split(' ').at(-1))
      .sort()
      .join()}`
  }
  t.is(await addresses('hdls1'), 'NOERROR 172.0.0.2,172.0.0.4,172.1.0.4')
  t.is(await addresses('nobody'), 'NXDOMAIN ')
  rmSync(join(directory, 'east.json'))
  t.truthy(await waitUntil(async () => (await addresses('hdls1')) === 'NOERROR 172.0.0.2,172.0.0.4'))
  writeFileSync(join(directory, 'nobody.json'), imported('nobody', 'cluster3', [{ address: '172.3.0.1' }]))
  t.truthy(await waitUntil(async () => (await addresses('nobody')) === 'NOERROR 172.3.0.1'))
  writeFileSync(join(directory, 'imports.yaml'), clusters.replace('10.42.0.1', '10.42.0.7'))
  t.truthy(await waitUntil(async () => (await addresses('catalog')) === 'NOERROR 10.42.0.7'))
  rmSync(join(directory, 'imports.yaml'))
  t.truthy(await waitUntil(async () => (await addresses('catalog')) === 'NXDOMAIN '))
  t.is(await addresses('hdls1'), 'NXDOMAIN ')
})

test('options apply to imports as to Services', async (t) => {
  const { store, directory } = await manifests(t)
  rmSync(join(directory, 'catalog.json'))
  const status = async (port: number, below: string): Promise<string> =>
    (await dig(port, name(below), 'A')).status
  const with_ = (option: string) => serve(t, corefile(`multicluster clusterset.local\n ${option}`), { store })
  const empty = await with_('ignore empty_service')
  t.truthy(await waitUntil(async () => (await status(empty.port, 'catalog')) === 'NXDOMAIN'))
  const labels = await with_('labels team=blue')
  t.is(await status(labels.port, 'hdls1'), 'NOERROR')
  t.is(await status(labels.port, 'catalog'), 'NXDOMAIN')
  const namespaces = await with_('namespaces other')
  t.is(await status(namespaces.port, 'hdls1'), 'NXDOMAIN')
  const block = `. {\n bind 127.0.0.1\n kubernetes clusterset.local {\n multicluster clusterset.local\n noendpoints\n }\n}`
  const noEndpoints = await serve(t, block, { store })
  t.is(await status(noEndpoints.port, 'hdls1'), 'NXDOMAIN')
  t.is(await status(noEndpoints.port, 'catalog'), 'NOERROR')
})

test('worker processes have the imports; transfer gives the zone away; the cluster is a label', async (t) => {
  const { store } = await manifests(t)
  const more = `multisocket 2
  metadata
  log . "cluster={/kubernetes/cluster} endpoint={/kubernetes/endpoint}"
  transfer clusterset.local {
    to *
  }`
  const { dns, port, lines } = await serve(t, corefile('multicluster clusterset.local', more), { store })
  t.is(dns.workers().size, 1)
  const replies = await Promise.all(
    Array.from({ length: 24 }, () => ask(port, 'db-0.cluster2.hdls1.shop.svc.clusterset.local', Type.A)),
  )
  for (const reply of replies) t.like(reply?.answer[0], { kind: 'address', address: '172.1.0.4' })
  t.truthy(await waitUntil(() => lines.some((line) => line.includes('cluster=cluster2 endpoint=db-0'))))
  const { text } = await dig(port, 'clusterset.local', 'AXFR', '+onesoa')
  const records = text.split('\n').map((line) => line.replace(/\s+/g, ' ').replace(' IN ', ' '))
  for (const record of [
    `${name('catalog')} 5 A 10.42.0.1`,
    `${name('_http._tcp.catalog')} 5 SRV 0 50 80 ${name('catalog')}`,
    `${name('db-0.cluster1.hdls1')} 5 A 172.0.0.4`,
    `${name('_http._tcp.hdls1')} 5 SRV 0 25 8080 ${name('db-0.cluster2.hdls1')}`,
  ])
    t.true(records.includes(record), record)
  t.false(text.includes('local.shop.svc'), 'no Services')
})

test('a zone that is not the plugin’s is an error with file and line', async (t) => {
  const { store } = await manifests(t)
  const directory = testDirectory(t, 'corefile')
  const path = join(directory, 'Corefile')
  writeFileSync(path, corefile('multicluster clusterset.local other.local'))
  await t.throwsAsync(serve(t, path, { store, file: true }), {
    message:
      /Corefile:7: plugin\/kubernetes: is not authoritative for the multicluster zone other\.local\. \(authoritative zones: cluster\.local\., clusterset\.local\., 10\.in-addr\.arpa\.\)/,
  })
})
