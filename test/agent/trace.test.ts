/** `plexus trace` beyond the proxy's rules: names, headless Services, and the way to each endpoint. */
import test from 'ava'
import { pino } from 'pino'
import { startDns } from '#dns'
import { RouteSocket } from '#netlink'
import { memorySource, mustDecode, Store } from '#watch'
import { type ConnectionContext, type ServiceTrace, traceConnection } from '../../agent/trace/connection.ts'
import { type Peer, wayTo } from '../../agent/trace/way.ts'
import { type Teardown, testNamespace } from '../support/index.ts'

const node = (name: string, address: string, ...podCIDRs: string[]) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { podCIDR: podCIDRs[0], podCIDRs },
  status: { addresses: [{ type: 'InternalIP', address }] },
})

const pod = (name: string, nodeName: string, ip: string, phase = 'Running') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'shop', name },
  spec: { nodeName, containers: [{ name: 'c', image: 'i' }] },
  status: { phase, podIP: ip, podIPs: [{ ip }] },
})

const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec: { ports: [{ name: 'http', port: 80 }], ...spec },
})

const cluster = [
  node('n1', '192.0.2.1', '10.244.1.0/24'),
  node('n2', '192.0.2.2', '10.244.2.0/24'),
  node('n3', '192.0.2.3', '10.244.3.0/24'),
  node('n4', '192.0.2.4'),
  pod('here', 'n1', '10.244.1.5'),
  pod('gone', 'n1', '10.244.1.6'),
  pod('ended', 'n1', '10.244.1.7', 'Failed'),
  pod('there', 'n2', '10.244.2.5'),
  pod('apart', 'n3', '10.244.3.5'),
  pod('stray', 'n2', '10.244.9.5'),
  pod('early', 'n4', '10.244.4.5'),
  service('pay', { type: 'ExternalName', externalName: 'pay.example.test' }),
  service('round', { type: 'ExternalName', externalName: 'round.shop.svc.cluster.local' }),
  service('db', { clusterIP: 'None' }),
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'db-1', labels: { 'kubernetes.io/service-name': 'db' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 5432 }],
    endpoints: [
      { addresses: ['10.244.2.5'], nodeName: 'n2', conditions: { ready: true } },
      { addresses: ['10.244.3.5'], nodeName: 'n3', conditions: { ready: false } },
    ],
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes' },
    spec: { cidrs: ['10.96.0.0/12'] },
  },
]

const peers: readonly Peer[] = [
  { node: 'n2', subnet: '10.244.2.0/24', gateway: '10.244.2.0', publicIp: '192.0.2.2', by: 'vxlan' },
]

/** A node as the overlay and the CNI plugin leave it, made with ip and bridge. */
async function onNode(t: Teardown, more: Partial<ConnectionContext> = {}) {
  const namespace = testNamespace(t, 'way')
  const run = (line: string): void => void namespace.run(...line.split(' '))
  for (const line of [
    'ip link add eth0 type veth peer name world',
    'ip address add 192.0.2.1/24 dev eth0',
    'ip link set eth0 up',
    'ip link set world up',
    'ip link add flannel.1 type vxlan id 1 dstport 8472 local 192.0.2.1 dev eth0 nolearning',
    'ip address add 10.244.1.0/32 dev flannel.1',
    'ip link set flannel.1 up',
    'ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
    'ip neighbour replace 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent',
    'bridge fdb append 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent',
    'ip link add cni0 type bridge',
    'ip address add 10.244.1.1/24 dev cni0',
    'ip link set cni0 up',
    'ip neighbour replace 10.244.1.6 dev cni0 nud failed',
    'ip route add blackhole 198.51.100.0/24',
  ])
    run(line)
  const store = new Store({ log: pino({ level: 'silent' }), nodeName: 'n1' })
  store.apply(cluster.map((object) => ({ object: mustDecode(object) })))
  await store.run(memorySource({ standalone: false }))
  const routes = new RouteSocket({ netns: namespace.path })
  t.teardown(() => routes.close())
  const overlay = { peers, problems: new Map([['n3', 'podCIDR is taken']]), failure: undefined }
  const traceService = (): ServiceTrace => {
    throw new Error('the proxy is not asked')
  }
  const context: ConnectionContext = {
    store,
    nodeName: 'n1',
    routes,
    overlay,
    dns: undefined,
    traceService,
    ...more,
  }
  return { context, run }
}

test('the way to an address, and what stands in it', async (t) => {
  const { context, run } = await onNode(t)
  const rows: [address: string, owner: string, way: string, problem: string][] = [
    ['192.0.2.1', 'Node n1', 'this node itself', ''],
    ['192.0.2.2', 'Node n2', 'eth0', ''],
    ['10.244.1.5', 'shop/here on n1', 'cni0', ''],
    [
      '10.244.1.6',
      'shop/gone on n1',
      'cni0',
      'nobody answers for it on this link (neighbour entry failed): its interface is gone or down',
    ],
    ['10.244.1.7', 'shop/ended on n1', 'cni0', 'the Pod has ended: Failed'],
    ['10.244.1.99', 'on n1', 'cni0', 'no Pod of this node has this address'],
    ['10.244.2.5', 'shop/there on n2', 'flannel.1 to 192.0.2.2', ''],
    ['10.244.2.99', 'on n2', 'flannel.1 to 192.0.2.2', ''],
    ['10.244.4.5', 'shop/early on n4', '', 'this node has no route to 10.244.4.5'],
  ]
  for (const [address, owner, way, problem] of rows)
    t.deepEqual(wayTo(address, context), { address, owner, way, problem })
  t.regex(wayTo('198.51.100.1', context).problem, /^the route to 198\.51\.100\.1 refuses it: /)

  run('ip route add default via 192.0.2.254')
  t.deepEqual(wayTo('203.0.113.1', context), {
    address: '203.0.113.1',
    owner: '',
    way: 'eth0 via 192.0.2.254',
    problem: '',
  })
  const problem = (address: string): string => wayTo(address, context).problem
  t.is(problem('10.244.3.5'), 'Node n3: podCIDR is taken')
  t.is(problem('10.244.9.5'), 'it is not in the pod network of Node n2 (10.244.2.0/24)')
  t.is(problem('10.244.4.5'), 'Node n4 has no podCIDR yet')
  t.is(
    wayTo('10.244.3.5', { ...context, overlay: undefined }).problem,
    '',
    'somebody else connects the nodes',
  )

  run('bridge fdb del 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2')
  t.is(problem('10.244.2.5'), '02:00:00:00:00:02 has no forwarding entry on the VXLAN device')
  run('bridge fdb append 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.9 self permanent')
  t.is(problem('10.244.2.5'), 'its tunnel ends at 192.0.2.9 instead of 192.0.2.2')
  run('ip neighbour del 10.244.2.0 dev flannel.1')
  t.is(problem('10.244.2.5'), '10.244.2.0 has no neighbour entry on the VXLAN device')
  run('ip route del 10.244.2.0/24')
  t.is(problem('10.244.2.5'), 'the kernel has another route than the one to 10.244.2.0: something changed it')
})

/** The proxy's answer for what is not a Service's address, or what it leaves to others. */
const answers = (outcome: string, service = '') => ({
  traceService: ({ to = '' }: Readonly<Record<string, string>>): ServiceTrace => ({
    to,
    resolution: '',
    service,
    outcome,
    summary: 'as the proxy says',
    endpoints: [],
  }),
})

test('headless: the pods that DNS names, and how they are reached', async (t) => {
  const { context } = await onNode(t, answers('ignored', 'shop/db'))
  const trace = await traceConnection({ from: 'shop/here', to: 'db:5432' }, context)
  t.is(trace.outcome, 'direct')
  t.is(trace.summary, 'headless: DNS gives the addresses of 1 ready pod, the connection goes to one directly')
  t.like(trace.endpoints, [
    { endpoint: '10.244.2.5:5432', candidate: true },
    { endpoint: '10.244.3.5:5432', candidate: false, reason: 'not ready: DNS leaves it out' },
  ] as never)
  t.deepEqual(
    trace.ways.map(({ address, way }) => [address, way]),
    [['10.244.2.5', 'flannel.1 to 192.0.2.2']],
  )
})

test('what is cut off is in the summary', async (t) => {
  const endpoint = (address: string, candidate = true) => ({
    endpoint: `${address}:80`,
    node: 'n2',
    candidate,
  })
  const endpoints = [endpoint('10.244.2.5'), endpoint('10.244.1.6'), endpoint('10.244.9.5', false)]
  const { context } = await onNode(t, {
    traceService: () => ({ ...answers('translated', 'shop/web').traceService({ to: 'web:80' }), endpoints }),
  })
  const trace = await traceConnection({ from: 'shop/here', to: 'web:80' }, context)
  t.is(trace.summary, 'as the proxy says; 1 of 2 cannot be reached')
  t.deepEqual(
    trace.ways.map(({ problem }) => problem !== ''),
    [false, true],
  )
})

test('an address of the Service network without a Service', async (t) => {
  const { context, run } = await onNode(t, answers('untouched'))
  run('ip route add default via 192.0.2.254')
  const trace = await traceConnection({ from: 'shop/here', to: '10.96.0.77:80' }, context)
  t.is(trace.summary, 'as the proxy says; 10.96.0.77:80 is in ServiceCIDR kubernetes, but no Service has it')
})

test('names of others: DNS is asked; names that lead nowhere', async (t) => {
  const ignored = await onNode(t, answers('ignored', 'shop/pay'))
  const silent = await traceConnection({ from: 'shop/here', to: 'pay:80' }, ignored.context)
  t.like(silent, {
    outcome: 'unresolved',
    resolution: 'Service shop/pay is another name for pay.example.test',
    summary: "pay.example.test is no Service's name, and this agent runs no DNS",
  })
  const around = await onNode(t, answers('ignored', 'shop/round'))
  const endless = await traceConnection({ from: 'shop/here', to: 'round:80' }, around.context)
  t.like(endless, { outcome: 'unresolved', summary: 'names lead to names without an end' })
})

test('an outside name is asked of the DNS of this node, and followed', async (t) => {
  const text =
    '. {\n bind 127.0.0.1\n template IN A example.test {\n match ^www\n answer "{{ .Name }} 60 IN A 192.0.2.2"\n fallthrough\n }\n template IN ANY . {\n rcode NXDOMAIN\n }\n}'
  const dns = await startDns({ corefile: { text }, port: 0, log: pino({ level: 'silent' }) })
  t.teardown(() => dns.stop())
  const { context } = await onNode(t, { ...answers('untouched'), dns })
  const found = await traceConnection({ from: 'shop/here', to: 'www.example.test:80' }, context)
  t.like(found, { outcome: 'untouched', resolution: 'DNS of this node: www.example.test is 192.0.2.2' })
  t.like(found.ways[0], { address: '192.0.2.2', owner: 'Node n2', way: 'eth0' })
  const none = await traceConnection({ from: 'shop/here', to: 'no.example.test:80' }, context)
  t.like(none, {
    outcome: 'unresolved',
    summary: 'DNS of this node: no.example.test: no such name (NXDOMAIN)',
  })
})
