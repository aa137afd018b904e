/** The Kubernetes DNS specification 1.1.0 over the wire, row by row. */
import test from 'ava'
import { waitUntil } from '../support/index.ts'
import { dns2Ask } from './support/dns2.ts'
import { clusterOf, dig, type Script, serve, stubUpstream } from './support/index.ts'

const port = { name: 'http', protocol: 'TCP', port: 80 }

function service(namespace: string, name: string, spec: object): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { ports: [port], ...spec },
  }
}

interface Endpoint {
  addresses: string[]
  hostname?: string
  targetRef?: { kind: 'Pod'; name: string }
  conditions?: { ready?: boolean }
}

function slice(
  namespace: string,
  of: string,
  suffix: string,
  endpoints: Endpoint[],
  ports: object[] = [port],
): unknown {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: `${of}-${suffix}`, labels: { 'kubernetes.io/service-name': of } },
    addressType: endpoints[0]?.addresses[0]?.includes(':') === true ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  }
}

const namespace = (name: string, labels: object = {}): unknown => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})

const pod = (namespaceName: string, name: string, podIP: string, phase = 'Running'): unknown => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: namespaceName, name },
  spec: { containers: [{ name: 'c', image: 'i' }] },
  status: { phase, podIP, podIPs: [{ ip: podIP }] },
})

const fixture = [
  namespace('testns'),
  namespace('podns', { exposed: 'yes' }),
  namespace('kube-system'),
  namespace('unexposedns'),
  service('testns', 'svc1', { clusterIP: '10.0.0.1' }),
  slice('testns', 'svc1', 'a', [{ addresses: ['172.0.0.1'], hostname: 'ep1a' }]),
  service('testns', 'svcempty', { clusterIP: '10.0.0.9' }),
  slice('testns', 'svcempty', 'a', []),
  service('testns', 'svc6', { clusterIP: '1234:abcd::1', ipFamilies: ['IPv6'] }),
  service('testns', 'svc-dual-stack', {
    clusterIP: '10.0.0.3',
    clusterIPs: ['10.0.0.3', '10::3'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
  }),
  service('testns', 'two-ports', {
    clusterIP: '10.0.0.4',
    ports: [port, { name: 'dns', protocol: 'UDP', port: 53 }],
  }),
  service('testns', 'unnamed', { clusterIP: '10.0.0.5', ports: [{ protocol: 'TCP', port: 8080 }] }),
  service('testns', 'hdls1', { clusterIP: 'None' }),
  slice('testns', 'hdls1', 'a', [
    { addresses: ['172.0.0.2'] },
    { addresses: ['172.0.0.3'] },
    { addresses: ['172.0.0.4'], hostname: 'dup-name' },
    { addresses: ['172.0.0.5'], hostname: 'dup-name' },
    { addresses: ['172.0.0.66'], conditions: { ready: false } },
  ]),
  slice('testns', 'hdls1', 'skew', [{ addresses: ['172.0.0.2'] }]),
  slice('testns', 'hdls1', 'b', [{ addresses: ['5678:abcd::1'] }, { addresses: ['5678:abcd::2'] }]),
  service('testns', 'hdlsprtls', { clusterIP: 'None', ports: [] }),
  slice('testns', 'hdlsprtls', 'a', [{ addresses: ['172.0.0.20'] }], []),
  service('testns', 'hdls-unready', { clusterIP: 'None' }),
  slice('testns', 'hdls-unready', 'a', [{ addresses: ['172.0.0.30'], conditions: { ready: false } }]),
  service('testns', 'hdls-pods', { clusterIP: 'None' }),
  slice('testns', 'hdls-pods', 'a', [
    { addresses: ['172.0.0.40'], targetRef: { kind: 'Pod', name: 'web-0' } },
  ]),
  service('testns', 'external', { type: 'ExternalName', externalName: 'ext.interwebs.test', ports: [] }),
  service('testns', 'external-to-service', {
    type: 'ExternalName',
    externalName: 'svc1.testns.svc.cluster.local.',
    ports: [],
  }),
  service('testns', 'external-to-itself', {
    type: 'ExternalName',
    externalName: 'external-to-itself.testns.svc.cluster.local',
    ports: [],
  }),
  service('testns', 'external-to-nothing', {
    type: 'ExternalName',
    externalName: 'nothing.interwebs.test',
    ports: [],
  }),
  service('unexposedns', 'svc1', { clusterIP: '10.0.0.77' }),
  pod('podns', 'foo', '10.240.0.1'),
  pod('podns', 'done', '10.240.0.2', 'Succeeded'),
]

const Z = 'cluster.local.'
const corefile = (properties = 'pods insecure'): string => `
. {
  bind 127.0.0.1
  errors
  kubernetes cluster.local in-addr.arpa 0.0.0.0.d.c.b.a.8.7.6.5.ip6.arpa 4.3.2.1.ip6.arpa 0.1.0.0.ip6.arpa {
    ${properties}
  }
  hosts /nonexistent interwebs.test {
    192.0.2.7 ext.interwebs.test
  }
}`

interface Row {
  /** relative to the cluster zone unless it ends in a dot */
  readonly name: string
  readonly type: string
  readonly status?: 'NXDOMAIN' | 'REFUSED' | 'SERVFAIL'
  /** 'data' of each record; names, TTL and type are checked where given as 'name ttl type data' */
  readonly answer?: readonly string[]
  readonly additional?: readonly string[]
}

const nodata = (name: string, ...types: string[]): Row[] => types.map((type) => ({ name, type }))
const nx = (name: string, ...types: string[]): Row[] =>
  types.map((type) => ({ name, type, status: 'NXDOMAIN' as const }))

const svc1 = 'svc1.testns.svc'
const headless = 'hdls1.testns.svc'
const rows: Row[] = [
  // 1.1 schema record
  { name: 'dns-version', type: 'TXT', answer: [`dns-version.${Z} 28800 TXT "1.1.0"`] },
  ...nx('dns-version', 'A'),
  // 1.2 ClusterIP services
  { name: svc1, type: 'A', answer: [`${svc1}.${Z} 5 A 10.0.0.1`] },
  ...nodata(svc1, 'AAAA', 'TXT', 'MX', 'HINFO', 'HTTPS', 'SOA', 'NS', 'CNAME'),
  { name: 'svcempty.testns.svc', type: 'A', answer: [`svcempty.testns.svc.${Z} 5 A 10.0.0.9`] },
  { name: 'svc6.testns.svc', type: 'AAAA', answer: [`svc6.testns.svc.${Z} 5 AAAA 1234:abcd::1`] },
  ...nodata('svc6.testns.svc', 'A'),
  { name: 'svc-dual-stack.testns.svc', type: 'A', answer: [`svc-dual-stack.testns.svc.${Z} 5 A 10.0.0.3`] },
  {
    name: 'svc-dual-stack.testns.svc',
    type: 'AAAA',
    answer: [`svc-dual-stack.testns.svc.${Z} 5 AAAA 10::3`],
  },
  {
    name: svc1,
    type: 'SRV',
    answer: [`${svc1}.${Z} 5 SRV 0 100 80 ${svc1}.${Z}`],
    additional: [`${svc1}.${Z} 5 A 10.0.0.1`],
  },
  {
    name: `_http._tcp.${svc1}`,
    type: 'SRV',
    answer: [`_http._tcp.${svc1}.${Z} 5 SRV 0 100 80 ${svc1}.${Z}`],
    additional: [`${svc1}.${Z} 5 A 10.0.0.1`],
  },
  {
    name: `http.tcp.${svc1}`,
    type: 'SRV',
    answer: [`http.tcp.${svc1}.${Z} 5 SRV 0 100 80 ${svc1}.${Z}`],
    additional: [`${svc1}.${Z} 5 A 10.0.0.1`],
  },
  { name: `_http._tcp.${svc1}`, type: 'A', answer: [`_http._tcp.${svc1}.${Z} 5 A 10.0.0.1`] },
  ...nx(`_ftp._tcp.${svc1}`, 'SRV'),
  ...nx(`_http._udp.${svc1}`, 'SRV'),
  {
    name: 'svc-dual-stack.testns.svc',
    type: 'SRV',
    answer: [`svc-dual-stack.testns.svc.${Z} 5 SRV 0 50 80 svc-dual-stack.testns.svc.${Z}`],
    additional: [
      `svc-dual-stack.testns.svc.${Z} 5 A 10.0.0.3`,
      `svc-dual-stack.testns.svc.${Z} 5 AAAA 10::3`,
    ],
  },
  {
    name: 'two-ports.testns.svc',
    type: 'SRV',
    answer: [
      `two-ports.testns.svc.${Z} 5 SRV 0 50 53 two-ports.testns.svc.${Z}`,
      `two-ports.testns.svc.${Z} 5 SRV 0 50 80 two-ports.testns.svc.${Z}`,
    ],
    additional: [`two-ports.testns.svc.${Z} 5 A 10.0.0.4`],
  },
  {
    name: '_dns._udp.two-ports.testns.svc',
    type: 'SRV',
    answer: [`_dns._udp.two-ports.testns.svc.${Z} 5 SRV 0 100 53 two-ports.testns.svc.${Z}`],
    additional: [`two-ports.testns.svc.${Z} 5 A 10.0.0.4`],
  },
  {
    name: 'unnamed.testns.svc',
    type: 'SRV',
    answer: [`unnamed.testns.svc.${Z} 5 SRV 0 100 8080 unnamed.testns.svc.${Z}`],
    additional: [`unnamed.testns.svc.${Z} 5 A 10.0.0.5`],
  },
  { name: '1.0.0.10.in-addr.arpa.', type: 'PTR', answer: [`1.0.0.10.in-addr.arpa. 5 PTR ${svc1}.${Z}`] },
  ...nodata('1.0.0.10.in-addr.arpa.', 'A'),
  {
    name: '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa.',
    type: 'PTR',
    answer: [
      `1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa. 5 PTR svc6.testns.svc.${Z}`,
    ],
  },
  {
    name: '3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.ip6.arpa.',
    type: 'PTR',
    answer: [
      `3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.ip6.arpa. 5 PTR svc-dual-stack.testns.svc.${Z}`,
    ],
  },
  // 1.3 headless services
  {
    name: headless,
    type: 'A',
    answer: ['172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5'].map((ip) => `${headless}.${Z} 5 A ${ip}`),
  },
  {
    name: headless,
    type: 'AAAA',
    answer: ['5678:abcd::1', '5678:abcd::2'].map((ip) => `${headless}.${Z} 5 AAAA ${ip}`),
  },
  ...nx('hdls-unready.testns.svc', 'A', 'AAAA', 'SRV'),
  ...nodata('hdlsprtls.testns.svc', 'AAAA', 'SRV'),
  { name: 'hdlsprtls.testns.svc', type: 'A', answer: [`hdlsprtls.testns.svc.${Z} 5 A 172.0.0.20`] },
  {
    name: '172-0-0-20.hdlsprtls.testns.svc',
    type: 'A',
    answer: [`172-0-0-20.hdlsprtls.testns.svc.${Z} 5 A 172.0.0.20`],
  },
  { name: `172-0-0-2.${headless}`, type: 'A', answer: [`172-0-0-2.${headless}.${Z} 5 A 172.0.0.2`] },
  ...nodata(`172-0-0-2.${headless}`, 'AAAA', 'TXT'),
  {
    name: `5678-abcd--2.${headless}`,
    type: 'AAAA',
    answer: [`5678-abcd--2.${headless}.${Z} 5 AAAA 5678:abcd::2`],
  },
  {
    name: `dup-name.${headless}`,
    type: 'A',
    answer: ['172.0.0.4', '172.0.0.5'].map((ip) => `dup-name.${headless}.${Z} 5 A ${ip}`),
  },
  ...nx(`172-0-0-66.${headless}`, 'A'),
  ...nx(`bogusendpoint.${headless}`, 'A'),
  ...nx('web-0.hdls-pods.testns.svc', 'A'),
  {
    name: `_http._tcp.${headless}`,
    type: 'SRV',
    answer: ['172-0-0-2', '172-0-0-3', '5678-abcd--1', '5678-abcd--2', 'dup-name'].map(
      (host) => `_http._tcp.${headless}.${Z} 5 SRV 0 16 80 ${host}.${headless}.${Z}`,
    ),
    additional: [
      `172-0-0-2.${headless}.${Z} 5 A 172.0.0.2`,
      `172-0-0-3.${headless}.${Z} 5 A 172.0.0.3`,
      `5678-abcd--1.${headless}.${Z} 5 AAAA 5678:abcd::1`,
      `5678-abcd--2.${headless}.${Z} 5 AAAA 5678:abcd::2`,
      `dup-name.${headless}.${Z} 5 A 172.0.0.4`,
      `dup-name.${headless}.${Z} 5 A 172.0.0.5`,
    ],
  },
  { name: `ep1a.${svc1}`, type: 'A', answer: [`ep1a.${svc1}.${Z} 5 A 172.0.0.1`] },
  {
    name: '4.0.0.172.in-addr.arpa.',
    type: 'PTR',
    answer: [`4.0.0.172.in-addr.arpa. 5 PTR dup-name.${headless}.${Z}`],
  },
  {
    name: '2.0.0.172.in-addr.arpa.',
    type: 'PTR',
    answer: [`2.0.0.172.in-addr.arpa. 5 PTR 172-0-0-2.${headless}.${Z}`],
  },
  ...nx('66.0.0.172.in-addr.arpa.', 'PTR'),
  ...nx('9.9.9.9.in-addr.arpa.', 'PTR'),
  ...nx('svc1.testns.svc.0.10.in-addr.arpa.', 'A'),
  // 1.4 ExternalName
  {
    name: 'external.testns.svc',
    type: 'CNAME',
    answer: [`external.testns.svc.${Z} 5 CNAME ext.interwebs.test.`],
  },
  {
    name: 'external.testns.svc',
    type: 'A',
    answer: [`external.testns.svc.${Z} 5 CNAME ext.interwebs.test.`, 'ext.interwebs.test. 3600 A 192.0.2.7'],
  },
  {
    name: 'external-to-service.testns.svc',
    type: 'A',
    answer: [`external-to-service.testns.svc.${Z} 5 CNAME ${svc1}.${Z}`, `${svc1}.${Z} 5 A 10.0.0.1`],
  },
  {
    name: 'external-to-itself.testns.svc',
    type: 'A',
    answer: [`external-to-itself.testns.svc.${Z} 5 CNAME external-to-itself.testns.svc.${Z}`],
  },
  {
    name: 'external-to-nothing.testns.svc',
    type: 'A',
    answer: [`external-to-nothing.testns.svc.${Z} 5 CNAME nothing.interwebs.test.`],
  },
  ...nodata('external.testns.svc', 'SRV', 'TXT'),
  ...nx('x.external.testns.svc', 'A'),
  ...nx('_http._tcp.external.testns.svc', 'SRV'),
  // 1.5 pods (insecure)
  { name: '10-240-0-1.podns.pod', type: 'A', answer: [`10-240-0-1.podns.pod.${Z} 5 A 10.240.0.1`] },
  { name: '9-9-9-9.testns.pod', type: 'A', answer: [`9-9-9-9.testns.pod.${Z} 5 A 9.9.9.9`] },
  { name: 'fd00--1.testns.pod', type: 'AAAA', answer: [`fd00--1.testns.pod.${Z} 5 AAAA fd00::1`] },
  ...nodata('10-240-0-1.podns.pod', 'AAAA', 'TXT'),
  ...nx('10-240-0-1.pod-nons.pod', 'A'),
  ...nx('blah.podns.pod', 'A', 'AAAA', 'TXT'),
  // 1.8 names that exist without records, and those that do not
  ...nodata('', 'A', 'AAAA', 'SRV', 'HINFO', 'TXT'),
  ...nodata('svc', 'A', 'TXT'),
  ...nodata('pod', 'A'),
  ...nodata('testns.svc', 'A', 'SRV'),
  ...nodata('podns.pod', 'A'),
  ...nx('nsnoexist.svc', 'A'),
  ...nx('nsnoexist.pod', 'A'),
  ...nx('foo', 'A', 'NS', 'TXT'),
  ...nx('foo.svc1.testns.xvc', 'A'),
  ...nx('svc0.testns.svc', 'A', 'AAAA', 'SRV', 'TXT'),
  ...nx('svc0.svc-nons.svc', 'A', 'TXT'),
  ...nx('bogusendpoint.svc0.testns.svc', 'A'),
  ...nx('a._http._tcp.svc1.testns.svc', 'SRV'),
  ...nx('*.testns.svc', 'A'),
  ...nx('*.*.svc', 'A'),
  ...nx('www.google.com.testns.svc', 'A', 'AAAA'),
  { name: '', type: 'NS', answer: [`${Z} 5 NS ns.dns.${Z}`], additional: [`ns.dns.${Z} 5 A 127.0.0.1`] },
  { name: 'ns.dns', type: 'A', answer: [`ns.dns.${Z} 5 A 127.0.0.1`] },
  ...nodata('ns.dns', 'AAAA'),
]

/** An upstream that answers every PTR query with one name. */
const pointers =
  (target: string): Script =>
  (query) => ({
    answer: query.questions.map(({ name }) => ({
      kind: 'target',
      name,
      type: 12,
      class: 1,
      ttl: 300,
      target,
    })),
  })

const fullName = (name: string): string => (name.endsWith('.') ? name : name === '' ? Z : `${name}.${Z}`)

async function check(
  t: {
    deepEqual: (a: unknown, b: unknown, message: string) => void
    regex: (a: string, b: RegExp, message?: string) => void
    true: (a: boolean, message: string) => void
  },
  at: number,
  all: readonly Row[],
): Promise<void> {
  const queue = [...all]
  const worker = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      const said = await dig(at, fullName(row.name), row.type)
      const title = `${row.name} ${row.type}\n${said.text}`
      t.deepEqual(said.status, row.status ?? 'NOERROR', title)
      t.true(said.flags.includes('aa') && !said.flags.includes('ra'), title)
      t.deepEqual([...said.answer].sort(), [...(row.answer ?? [])].sort(), title)
      t.deepEqual([...said.additional].sort(), [...(row.additional ?? [])].sort(), title)
      if (
        row.answer !== undefined &&
        said.answer[0]?.includes(' CNAME ') !== true &&
        row.name.startsWith('external')
      )
        t.true(false, title)
      const negative = row.answer === undefined && row.status !== 'REFUSED'
      t.deepEqual(said.authority.length, negative ? 1 : 0, title)
      if (negative)
        t.regex(
          said.authority[0] ?? '',
          /^\S+ 5 SOA (\S*ns\.dns\.\S+) hostmaster\.\S+ \d{10} 7200 1800 86400 5$/,
          title,
        )
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
}

test('every row of the specification', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  await check(t, at, rows)
  // Most answers come from the table of rendered ones the second time.
  await check(t, at, rows)
})

test('the SOA belongs to the zone that matches; apex SOA is an answer', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  t.regex(
    (await dig(at, 'cluster.local', 'SOA')).answer[0] ?? '',
    /^cluster\.local\. 5 SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\./,
  )
  t.regex((await dig(at, 'x.cluster.local', 'A')).authority[0] ?? '', /^cluster\.local\. /)
  t.regex((await dig(at, '9.9.9.9.in-addr.arpa', 'PTR')).authority[0] ?? '', /^in-addr\.arpa\. /)
  t.is((await dig(at, 'cluster.local', 'AXFR', '+tcp')).answer.length, 0)
})

test('letter case of the query is kept, whatever is found', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  for (let i = 0; i < 2; i += 1) {
    t.deepEqual((await dig(at, 'SvC1.TestNS.sVC.cLuster.LOCAL', 'A')).answer, [
      'SvC1.TestNS.sVC.cLuster.LOCAL. 5 A 10.0.0.1',
    ])
    t.deepEqual((await dig(at, 'svc1.testns.svc.cluster.local', 'A')).answer, [
      'svc1.testns.svc.cluster.local. 5 A 10.0.0.1',
    ])
  }
})

test('dns2, an independent client, reads the answers over UDP and TCP', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  for (const transport of ['udp', 'tcp'] as const) {
    const address = await dns2Ask(at, 'svc1.testns.svc.cluster.local', 'A', transport)
    t.deepEqual(
      address.answers.map((answer) => answer.address),
      ['10.0.0.1'],
    )
    const srv = await dns2Ask(at, '_http._tcp.svc1.testns.svc.cluster.local', 'SRV', transport)
    t.deepEqual(
      srv.answers.map((answer) => [answer.target, answer.port]),
      [['svc1.testns.svc.cluster.local', 80]],
    )
    const missing = await dns2Ask(at, 'none.testns.svc.cluster.local', 'A', transport)
    t.is(missing.header.rcode, 3)
  }
})

test('pods disabled and pods verified', async (t) => {
  const { store, source } = await clusterOf(t, ...fixture)
  const disabled = await serve(t, corefile(''), { store })
  await check(t, disabled.port, [
    ...nx('10-240-0-1.podns.pod', 'A'),
    ...nx('podns.pod', 'A'),
    ...nodata('pod', 'A'),
  ])
  const verified = await serve(t, corefile('pods verified'), { store })
  await check(t, verified.port, [
    { name: '10-240-0-1.podns.pod', type: 'A', answer: [`10-240-0-1.podns.pod.${Z} 5 A 10.240.0.1`] },
    ...nodata('10-240-0-1.podns.pod', 'AAAA'),
    ...nx('172-0-0-2.podns.pod', 'A'),
    ...nx('10-240-0-2.podns.pod', 'A'),
    ...nx('10-240-0-1.testns.pod', 'A'),
    ...nodata('podns.pod', 'A'),
    ...nx('10-240-0-1.pod-nons.pod', 'A'),
  ])
  source.delete('Pod', 'podns/foo')
  await check(t, verified.port, nx('10-240-0-1.podns.pod', 'A'))
})

test('options: namespaces, labels, ttl, noendpoints, ignore, endpoint_pod_names, fallthrough', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const rowsFor: [string, Row[]][] = [
    [
      'namespaces testns',
      [
        ...nx('svc1.unexposedns.svc', 'A'),
        ...nx('unexposedns.svc', 'A'),
        ...nx('77.0.0.10.in-addr.arpa.', 'PTR'),
        { name: svc1, type: 'A', answer: [`${svc1}.${Z} 5 A 10.0.0.1`] },
      ],
    ],
    [
      'namespace_labels exposed=yes',
      [...nx(svc1, 'A'), ...nodata('podns.svc', 'A'), ...nx('testns.svc', 'A')],
    ],
    ['labels app=none', nx(svc1, 'A')],
    [
      'noendpoints',
      [
        ...nx(headless, 'A'),
        ...nx(`ep1a.${svc1}`, 'A'),
        ...nx('4.0.0.172.in-addr.arpa.', 'PTR'),
        { name: svc1, type: 'A', answer: [`${svc1}.${Z} 5 A 10.0.0.1`] },
      ],
    ],
    [
      'ignore empty_service',
      [
        ...nx('svcempty.testns.svc', 'A'),
        {
          name: 'external.testns.svc',
          type: 'CNAME',
          answer: [`external.testns.svc.${Z} 5 CNAME ext.interwebs.test.`],
        },
      ],
    ],
    [
      'endpoint_pod_names',
      [
        {
          name: 'web-0.hdls-pods.testns.svc',
          type: 'A',
          answer: [`web-0.hdls-pods.testns.svc.${Z} 5 A 172.0.0.40`],
        },
        ...nx('172-0-0-40.hdls-pods.testns.svc', 'A'),
      ],
    ],
  ]
  for (const [property, wanted] of rowsFor) {
    const { port: at } = await serve(t, corefile(property), { store })
    await check(t, at, wanted)
  }
  const upstream = await stubUpstream(t, pointers('elsewhere.example.'))
  const { port: at } = await serve(
    t,
    `. {\n bind 127.0.0.1\n kubernetes cluster.local in-addr.arpa {\n fallthrough in-addr.arpa\n ttl 30\n }\n forward . 127.0.0.1:${upstream.port}\n}`,
    { store },
  )
  t.deepEqual((await dig(at, `${svc1}.cluster.local`, 'A')).answer, [`${svc1}.${Z} 30 A 10.0.0.1`])
  t.deepEqual((await dig(at, '9.9.9.9.in-addr.arpa', 'PTR')).answer, [
    '9.9.9.9.in-addr.arpa. 300 PTR elsewhere.example.',
  ])
  t.deepEqual((await dig(at, '9.0.0.10.in-addr.arpa', 'PTR')).answer, [
    `9.0.0.10.in-addr.arpa. 30 PTR svcempty.testns.svc.${Z}`,
  ])
  t.is((await dig(at, 'none.testns.svc.cluster.local', 'A')).status, 'NXDOMAIN')
  t.deepEqual(
    upstream.asked.map(({ name }) => name),
    ['9.9.9.9.in-addr.arpa.'],
  )
})

test('the NS of the zone is the Service that has our address among its endpoints', async (t) => {
  const { store, source } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  const dns = { name: 'dns', protocol: 'UDP', port: at }
  source.apply(
    service('kube-system', 'kube-dns', { clusterIP: '10.0.0.10', ports: [{ ...dns, port: 53 }] }),
    slice('kube-system', 'kube-dns', 'a', [{ addresses: ['127.0.0.1'] }], [dns]),
    service('kube-system', 'other', { clusterIP: '10.0.0.11' }),
    slice('kube-system', 'other', 'a', [{ addresses: ['127.0.0.1'] }]),
  )
  const said = await waitUntil(async () => {
    const found = await dig(at, 'cluster.local', 'NS')
    return found.answer.some((line) => line.includes('kube-dns')) ? found : undefined
  })
  t.deepEqual(said.answer, [`${Z} 5 NS kube-dns.kube-system.svc.${Z}`])
  t.deepEqual(said.additional, [`kube-dns.kube-system.svc.${Z} 5 A 10.0.0.10`])
})

test('changes of the cluster show at once, through the cache too', async (t) => {
  const upstream = await stubUpstream(t, pointers('old.example.'))
  const { store, source } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(
    t,
    `. {\n bind 127.0.0.1\n cache 30\n kubernetes cluster.local in-addr.arpa {\n fallthrough in-addr.arpa\n ttl 30\n }\n forward . 127.0.0.1:${upstream.port}\n}`,
    { store },
  )
  const answers = async (name: string, type: string): Promise<string[]> =>
    [...(await dig(at, name, type)).answer].sort()
  const until = (name: string, type: string, wanted: string[]): Promise<unknown> =>
    waitUntil(async () => JSON.stringify(await answers(name, type)) === JSON.stringify(wanted), {
      what: `${name} ${type} ${wanted.join()}`,
      timeoutMs: 3000,
    })
  t.is((await dig(at, `new.testns.svc.${Z}`, 'A')).status, 'NXDOMAIN')
  t.deepEqual(await answers('50.0.0.10.in-addr.arpa', 'PTR'), ['50.0.0.10.in-addr.arpa. 30 PTR old.example.'])
  t.is((await answers(`${headless}.${Z}`, 'A')).length, 4)
  source.apply(service('testns', 'new', { clusterIP: '10.0.0.50' }))
  await until(`new.testns.svc.${Z}`, 'A', [`new.testns.svc.${Z} 30 A 10.0.0.50`])
  await until('50.0.0.10.in-addr.arpa', 'PTR', [`50.0.0.10.in-addr.arpa. 30 PTR new.testns.svc.${Z}`])
  source.apply(
    slice('testns', 'hdls1', 'a', [{ addresses: ['172.0.0.99'] }]),
    slice('testns', 'hdls1', 'skew', []),
  )
  await until(`${headless}.${Z}`, 'A', [`${headless}.${Z} 30 A 172.0.0.99`])
  source.delete('Service', 'testns/new')
  await waitUntil(async () => (await dig(at, `new.testns.svc.${Z}`, 'A')).status === 'NXDOMAIN')
  t.pass()
})
