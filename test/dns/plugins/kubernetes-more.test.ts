/** kubernetes: zonal, transfer; k8s_external. */
import test from 'ava'
import { Type } from '../../../dns/wire/index.ts'
import { waitUntil } from '../../support/index.ts'
import { ask, clusterOf, dig, serve } from '../support/index.ts'

const service = (name: string, spec: object, status?: object): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'prod', name },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
  ...(status === undefined ? {} : { status }),
})

const slice = (of: string, endpoints: readonly (readonly [string, string?, string?])[]): object => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { namespace: 'prod', name: `${of}-1`, labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: endpoints.map(([address, zone, hostname]) => ({
    addresses: [address],
    conditions: { ready: true },
    ...(zone === undefined ? {} : { zone }),
    ...(hostname === undefined ? {} : { hostname }),
  })),
})

const objects = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'prod' } },
  service('db', { clusterIP: 'None' }),
  slice('db', [
    ['10.1.0.1', 'us-west-2a', 'one'],
    ['10.1.0.2', 'us-west-2b'],
    ['10.1.0.3', 'rack.corp.example'],
    ['10.1.0.4'],
  ]),
  service('web', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'] }),
  service('alias', { type: 'ExternalName', externalName: 'target.example' }),
  service(
    'shop',
    {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.2',
      clusterIPs: ['10.96.0.2'],
      externalIPs: ['198.51.100.7'],
    },
    { loadBalancer: { ingress: [{ ip: '203.0.113.5' }, { ip: '2001:db8::5' }] } },
  ),
  service(
    'named',
    { type: 'LoadBalancer', clusterIP: '10.96.0.3', clusterIPs: ['10.96.0.3'] },
    { loadBalancer: { ingress: [{ hostname: 'lb.provider.example' }] } },
  ),
]

const block = (...lines: string[]): string => `. {\n bind 127.0.0.1\n ${lines.join('\n ')}\n}`
const addresses = (answer: readonly string[]): string[] =>
  answer.map((line) => line.split(' ').at(-1) ?? '').sort()

test('zonal: pin, prefer, dots in the zone, other types, what does not exist', async (t) => {
  const { store } = await clusterOf(t, ...objects)
  const { port } = await serve(t, block('kubernetes cluster.local {\n zonal\n }'), { store })
  const at = (name: string): string => `${name}._zone.db.prod.svc.cluster.local`
  t.deepEqual(addresses((await dig(port, at('us-west-2a.pin'), 'A')).answer), ['10.1.0.1'])
  t.deepEqual(addresses((await dig(port, at('US-WEST-2B.prefer'), 'A')).answer), ['10.1.0.2'])
  t.deepEqual(addresses((await dig(port, at('rack.corp.example.pin'), 'A')).answer), ['10.1.0.3'])
  t.like(await dig(port, at('nowhere.pin'), 'A'), { status: 'NOERROR', answer: [] })
  t.is((await dig(port, at('nowhere.prefer'), 'A')).answer.length, 4)
  t.like(await dig(port, at('us-west-2a.pin'), 'AAAA'), { status: 'NOERROR', answer: [] })
  t.like(await dig(port, at('us-west-2a.pin'), 'TXT'), { status: 'NOERROR', answer: [] })
  t.deepEqual((await dig(port, at('us-west-2a.pin'), 'SRV')).answer, [
    `${at('us-west-2a.pin')}. 5 SRV 0 100 8080 one.db.prod.svc.cluster.local.`,
  ])
  t.is((await dig(port, at('us-west-2a.only'), 'A')).status, 'NXDOMAIN')
  t.is((await dig(port, 'us-west-2a.pin._zone.web.prod.svc.cluster.local', 'A')).status, 'NXDOMAIN')
  const plain = await serve(t, block('kubernetes cluster.local'), { store })
  t.is((await dig(plain.port, at('us-west-2a.pin'), 'A')).status, 'NXDOMAIN')
  await t.throwsAsync(serve(t, block('kubernetes cluster.local {\n zonal\n noendpoints\n }'), { store }), {
    message: /exclude each other/,
  })
})

test('transfer of a cluster zone', async (t) => {
  const { store, source } = await clusterOf(t, ...objects)
  const { port } = await serve(
    t,
    block('kubernetes cluster.local 10.0.0.0/8', 'transfer cluster.local {\n to *\n }'),
    { store },
  )
  const records = async (): Promise<string[]> =>
    (await dig(port, 'cluster.local', 'AXFR', '+onesoa')).text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(';'))
      .map((line) => line.replace(/\s+/g, ' ').replace(' IN ', ' '))
  const found = await records()
  t.true(found[0]?.startsWith('cluster.local. 5 SOA '))
  const name = (below: string): string => `${below}.prod.svc.cluster.local.`
  for (const record of [
    'dns-version.cluster.local. 28800 TXT "1.1.0"',
    `${name('web')} 5 A 10.96.0.1`,
    `${name('_http._tcp.web')} 5 SRV 0 100 80 ${name('web')}`,
    `${name('alias')} 5 CNAME target.example.`,
    `${name('db')} 5 A 10.1.0.2`,
    `${name('one.db')} 5 A 10.1.0.1`,
    `${name('10-1-0-2.db')} 5 A 10.1.0.2`,
    `${name('_http._tcp.db')} 5 SRV 0 25 8080 ${name('one.db')}`,
  ])
    t.true(found.includes(record), record)
  // Whatever is transferred is what is answered.
  for (const line of found.filter((record) => / (?:A|SRV) /.test(record))) {
    const [owner = '', , type = ''] = line.split(' ')
    const { answer } = await dig(port, owner, type)
    t.true(answer.includes(line), line)
  }
  source.apply(service('fresh', { clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'] }))
  await waitUntil(async () => (await records()).includes(`${name('fresh')} 5 A 10.96.0.9`))
  t.regex((await dig(port, '10.in-addr.arpa', 'AXFR')).text, /Transfer failed/)
})

test('k8s_external: addresses, SRV, names of load balancers, PTR, apex, negatives', async (t) => {
  const { store } = await clusterOf(t, ...objects)
  const { port } = await serve(
    t,
    block(
      'kubernetes cluster.local',
      'k8s_external example.org 203.0.113.0/24 {\n ttl 7\n }',
      'hosts /nonexistent provider.example {\n 192.0.2.200 lb.provider.example\n }',
      'transfer example.org {\n to *\n }',
    ),
    { store },
  )
  const shop = 'shop.prod.example.org'
  t.deepEqual(addresses((await dig(port, shop, 'A')).answer), ['198.51.100.7', '203.0.113.5'])
  t.deepEqual((await dig(port, shop, 'AAAA')).answer, [`${shop}. 7 AAAA 2001:db8::5`])
  t.like(await dig(port, shop, 'TXT'), { status: 'NOERROR', answer: [] })
  const srv = await dig(port, `_http._tcp.${shop}`, 'SRV')
  t.deepEqual(srv.answer, [`_http._tcp.${shop}. 7 SRV 0 33 80 ${shop}.`])
  t.is(srv.additional.filter((line) => line.startsWith(shop)).length, 3)
  t.deepEqual((await dig(port, 'named.prod.example.org', 'A')).answer, [
    'named.prod.example.org. 7 CNAME lb.provider.example.',
    'lb.provider.example. 3600 A 192.0.2.200',
  ])
  t.deepEqual((await dig(port, '-x', '203.0.113.5')).answer, [
    '5.113.0.203.in-addr.arpa. 7 PTR shop.prod.example.org.',
  ])
  t.is((await dig(port, '-x', '203.0.113.99')).status, 'NXDOMAIN')
  t.like(await dig(port, 'prod.example.org', 'A'), { status: 'NOERROR', answer: [] })
  for (const name of [
    'web.prod',
    'none.prod',
    'shop.other',
    '_ftp._tcp.shop.prod',
    'a.b.c.shop.prod',
    'db.prod',
  ])
    t.is((await dig(port, `${name}.example.org`, 'A')).status, 'NXDOMAIN', name)
  const missing = await dig(port, 'none.prod.example.org', 'A')
  t.regex(
    missing.authority[0] ?? '',
    /^example\.org\. 7 SOA ns1\.dns\.example\.org\. hostmaster\.dns\.example\.org\. \d+ 7200 1800 86400 7$/,
  )
  const ns = await dig(port, 'example.org', 'NS')
  t.deepEqual(ns.answer, ['example.org. 7 NS ns1.dns.example.org.'])
  t.true(ns.additional.includes('ns1.dns.example.org. 7 A 127.0.0.1'))
  t.deepEqual((await dig(port, 'ns1.dns.example.org', 'A')).answer, ['ns1.dns.example.org. 7 A 127.0.0.1'])
  t.like(await dig(port, 'dns.example.org', 'A'), { status: 'NOERROR', answer: [] })
  t.is((await dig(port, 'ns2.dns.example.org', 'A')).status, 'NXDOMAIN')
  t.is((await ask(port, 'example.org.', Type.SOA))?.answer[0]?.kind, 'soa')
  t.regex(
    (await dig(port, 'example.org', 'AXFR')).text,
    /shop\.prod\.example\.org\.\s+7\s+IN\s+A\s+203\.0\.113\.5/,
  )
})

test('k8s_external: headless, fallthrough, another apex; not without kubernetes', async (t) => {
  const { store } = await clusterOf(t, ...objects)
  const { port } = await serve(
    t,
    block(
      'kubernetes cluster.local',
      'k8s_external example.org {\n headless\n apex name-servers\n fallthrough\n }',
      'erratic {\n drop 0\n }',
    ),
    { store },
  )
  t.is((await dig(port, 'db.prod.example.org', 'A')).answer.length, 4)
  t.deepEqual(addresses((await dig(port, 'one.db.prod.example.org', 'A')).answer), ['10.1.0.1'])
  t.deepEqual(addresses((await dig(port, 'other.prod.example.org', 'A')).answer), ['192.0.2.53'])
  t.deepEqual((await dig(port, 'example.org', 'NS')).answer, [
    'example.org. 5 NS ns1.name-servers.example.org.',
  ])
  await t.throwsAsync(serve(t, block('k8s_external example.org'), { store }), {
    message: /needs the kubernetes plugin/,
  })
  await t.throwsAsync(serve(t, block('kubernetes cluster.local', 'k8s_external'), {}), {
    message: /no cluster to answer for/,
  })
})
