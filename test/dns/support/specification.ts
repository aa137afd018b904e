/** A cluster with every kind of name of the Kubernetes DNS specification 1.1.0, and what each question about it has for an answer. */
const port = { name: 'http', protocol: 'TCP', port: 80 }

export function service(namespace: string, name: string, spec: object): unknown {
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

export function slice(
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

export const fixture = [
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

/** The cluster zone. */
export const Z = 'cluster.local.'

/** A question and its answer. */
export interface Row {
  /** relative to the cluster zone unless it ends in a dot */
  readonly name: string
  readonly type: string
  readonly status?: 'NXDOMAIN' | 'REFUSED' | 'SERVFAIL'
  /** 'data' of each record; names, TTL and type are checked where given as 'name ttl type data' */
  readonly answer?: readonly string[]
  readonly additional?: readonly string[]
}

/** Names that exist without records of these types. */
export const nodata = (name: string, ...types: string[]): Row[] => types.map((type) => ({ name, type }))
/** Names that do not exist, asked for with these types. */
export const nx = (name: string, ...types: string[]): Row[] =>
  types.map((type) => ({ name, type, status: 'NXDOMAIN' as const }))

export const svc1 = 'svc1.testns.svc'
export const headless = 'hdls1.testns.svc'
export const rows: Row[] = [
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
