/** A cluster with everything that names can be made of, as objects for an API server. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { kubernetesSource, openStore, type Store } from '#watch'
import { ApiServer } from '../../apiserver/api-server.ts'
import { type Teardown, testDirectory } from '../../support/index.ts'

export interface Raw {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: object
  readonly [more: string]: unknown
}

const http = { name: 'http', protocol: 'TCP', port: 80 }
const dns = { name: 'dns', protocol: 'UDP', port: 53 }

export const namespace = (name: string, labels: object = {}): Raw => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})

export const service = (of: string, name: string, spec: object, more: object = {}): Raw => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: of, name, ...more },
  spec: { type: 'ClusterIP', ports: [http], ...spec },
})

export const slice = (
  of: string,
  name: string,
  endpoints: readonly object[],
  more: { suffix?: string; ports?: readonly object[]; addressType?: string; labels?: object } = {},
): Raw => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    namespace: of,
    name: `${name}-${more.suffix ?? 'abc'}`,
    labels: { 'kubernetes.io/service-name': name, ...more.labels },
  },
  addressType: more.addressType ?? 'IPv4',
  endpoints,
  ports: more.ports ?? [http],
})

export const pod = (
  of: string,
  name: string,
  addresses: readonly string[],
  phase = 'Running',
  more: object = {},
): Raw => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: of, name, ...more },
  spec: { containers: [{ name: 'c', image: 'i' }] },
  status: { phase, podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })) },
})

const long = 'a'.repeat(63)
const ready = { ready: true, serving: true, terminating: false }
const notReady = { ready: false, serving: false, terminating: false }
const terminating = { ready: false, serving: true, terminating: true }

export const objects: readonly Raw[] = [
  namespace('default', { team: 'core' }),
  namespace('shop', { team: 'shop', exposed: 'yes' }),
  namespace('kube-system'),
  namespace('empty'),
  namespace(long),
  service('default', 'kubernetes', {
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1'],
    ports: [{ name: 'https', protocol: 'TCP', port: 443 }],
  }),
  slice('default', 'kubernetes', [{ addresses: ['172.18.0.2'], conditions: ready }], {
    ports: [{ name: 'https', protocol: 'TCP', port: 6443 }],
  }),
  service('kube-system', 'kube-dns', {
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10'],
    ports: [dns, { name: 'dns-tcp', protocol: 'TCP', port: 53 }],
  }),
  service(
    'shop',
    'catalog',
    {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [
        http,
        { name: 'https', protocol: 'TCP', port: 443 },
        { name: 'quic', protocol: 'UDP', port: 443 },
      ],
    },
    { labels: { app: 'catalog' } },
  ),
  slice(
    'shop',
    'catalog',
    [
      {
        addresses: ['10.244.0.5'],
        conditions: ready,
        hostname: 'c-0',
        targetRef: { kind: 'Pod', name: 'catalog-0', namespace: 'shop' },
      },
      {
        addresses: ['10.244.0.6'],
        conditions: ready,
        targetRef: { kind: 'Pod', name: 'catalog-1', namespace: 'shop' },
      },
      { addresses: ['10.244.0.7'], conditions: notReady },
    ],
    { labels: { app: 'catalog' } },
  ),
  service('shop', 'unnamed', {
    clusterIP: '10.96.0.21',
    clusterIPs: ['10.96.0.21'],
    ports: [{ protocol: 'TCP', port: 8080 }],
  }),
  service('shop', 'dual', {
    clusterIP: '10.96.0.30',
    clusterIPs: ['10.96.0.30', 'fd00:96::30'],
    ports: [http],
  }),
  service('shop', 'six', { clusterIP: 'fd00:96::31', clusterIPs: ['fd00:96::31'], ports: [http] }),
  slice('shop', 'six', [{ addresses: ['fd00:244::5'], conditions: ready }], { addressType: 'IPv6' }),
  service('shop', 'empty', { clusterIP: '10.96.0.40', clusterIPs: ['10.96.0.40'] }),
  service('shop', 'loadbalanced', {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.41',
    clusterIPs: ['10.96.0.41'],
    externalIPs: ['198.51.100.1', '2001:db8:1::1'],
  }),
  service('shop', 'db', {
    clusterIP: 'None',
    clusterIPs: ['None'],
    ports: [
      { name: 'pg', protocol: 'TCP', port: 5432 },
      { name: 'metrics', protocol: 'TCP', port: 9187 },
    ],
  }),
  slice(
    'shop',
    'db',
    [
      {
        addresses: ['10.244.1.1'],
        conditions: ready,
        hostname: 'db-0',
        targetRef: { kind: 'Pod', name: 'db-0', namespace: 'shop' },
      },
      {
        addresses: ['10.244.1.2'],
        conditions: ready,
        hostname: 'db-1',
        targetRef: { kind: 'Pod', name: 'db-1', namespace: 'shop' },
      },
      {
        addresses: ['10.244.1.3'],
        conditions: {},
        targetRef: { kind: 'Pod', name: 'db-2', namespace: 'shop' },
      },
      { addresses: ['10.244.1.4'], conditions: notReady, hostname: 'db-3' },
      { addresses: ['10.244.1.5'], conditions: terminating, hostname: 'db-4' },
    ],
    {
      ports: [
        { name: 'pg', protocol: 'TCP', port: 5432 },
        { name: 'metrics', protocol: 'TCP', port: 9187 },
      ],
    },
  ),
  slice(
    'shop',
    'db',
    [
      { addresses: ['fd00:244::1'], conditions: ready, hostname: 'db-0' },
      { addresses: ['fd00:244:0:1::'], conditions: ready },
    ],
    { suffix: 'six', addressType: 'IPv6', ports: [{ name: 'pg', protocol: 'TCP', port: 5432 }] },
  ),
  service('shop', 'portless', { clusterIP: 'None', clusterIPs: ['None'], ports: [] }),
  slice('shop', 'portless', [{ addresses: ['10.244.2.1'], conditions: ready }], { ports: [] }),
  service('shop', 'notready', { clusterIP: 'None', clusterIPs: ['None'] }),
  slice('shop', 'notready', [{ addresses: ['10.244.2.2'], conditions: notReady }]),
  service('shop', 'published', { clusterIP: 'None', clusterIPs: ['None'], publishNotReadyAddresses: true }),
  slice('shop', 'published', [
    { addresses: ['10.244.2.3'], conditions: { ready: true, serving: false, terminating: true } },
  ]),
  service('shop', 'nobody', { clusterIP: 'None', clusterIPs: ['None'] }),
  service('shop', 'upper', { clusterIP: 'None', clusterIPs: ['None'] }),
  slice('shop', 'upper', [{ addresses: ['10.244.2.4'], conditions: ready, hostname: 'mixed-case' }], {
    ports: [{ name: 'Web', protocol: 'TCP', port: 8080 }],
  }),
  service('shop', 'shared', { clusterIP: 'None', clusterIPs: ['None'] }),
  slice('shop', 'shared', [{ addresses: ['10.244.0.5'], conditions: ready, hostname: 'other' }]),
  service('shop', 'outside', {
    type: 'ExternalName',
    externalName: 'www.example.org',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'inside', {
    type: 'ExternalName',
    externalName: 'catalog.shop.svc.cluster.local',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'dotted', { type: 'ExternalName', externalName: 'www.example.org.', clusterIP: '' }),
  service('shop', 'missing', {
    type: 'ExternalName',
    externalName: 'nothing.example.org',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'insidemissing', {
    type: 'ExternalName',
    externalName: 'nothing.shop.svc.cluster.local',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'broken', {
    type: 'ExternalName',
    externalName: 'www.refused.test',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'selfish', {
    type: 'ExternalName',
    externalName: 'selfish.shop.svc.cluster.local',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'ping', {
    type: 'ExternalName',
    externalName: 'pong.shop.svc.cluster.local',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'pong', {
    type: 'ExternalName',
    externalName: 'ping.shop.svc.cluster.local',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'tohead', {
    type: 'ExternalName',
    externalName: 'db.shop.svc.cluster.local',
    clusterIP: '',
    ports: [],
  }),
  service('shop', 'address', { type: 'ExternalName', externalName: '192.0.2.44', clusterIP: '', ports: [] }),
  service('shop', long, { clusterIP: '10.96.0.50', clusterIPs: ['10.96.0.50'] }),
  service(long, long, { clusterIP: '10.96.0.51', clusterIPs: ['10.96.0.51'] }),
  pod('shop', 'catalog-0', ['10.244.0.5', 'fd00:244::5']),
  pod('shop', 'done', ['10.244.9.1'], 'Succeeded'),
  pod('shop', 'failed', ['10.244.9.2'], 'Failed'),
  pod('shop', 'pending', ['10.244.9.3'], 'Pending'),
  pod('shop', 'going', ['10.244.9.4'], 'Running', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  pod('kube-system', 'host', ['172.18.0.2']),
]

/** Names of every form, for what is there and what is not. */
export const names: readonly string[] = ((): string[] => {
  const services = objects
    .filter(({ kind }) => kind === 'Service')
    .map(({ metadata }) => metadata as { namespace: string; name: string })
  const own = services.map(({ namespace: of, name }) => `${name}.${of}.svc.cluster.local.`)
  const more = readFileSync(new URL('zones/cluster-names.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  return [...own, ...own.map((name) => `_http._tcp.${name}`), ...more]
})()

/** An API server with the objects, and our view of it. */
export async function openCluster(
  t: Teardown,
  all: readonly Raw[],
): Promise<{ kubeconfig: string; store: Store }> {
  const log = pino({ level: 'silent' })
  const server = await ApiServer.start()
  t.teardown(() => server.stop())
  server.put(...all)
  const kubeconfig = server.writeKubeconfig(join(testDirectory(t, 'kube'), 'config'))
  const source = kubernetesSource({ kubeconfig, log })
  const store = await openStore({ source, log })
  t.teardown(() => store.close())
  return { kubeconfig, store }
}
