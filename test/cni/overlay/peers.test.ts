import test from 'ava'
import { mustDecode, type Node } from '#watch'
import { annotationNames } from '../../../cni/overlay/annotations.ts'
import { derivedMac, type OwnNetwork, PeerView } from '../../../cni/overlay/peers.ts'
import { type NodeSpec, node2, nodeObject } from './cluster.ts'

const prefix = 'flannel.alpha.coreos.com'
const own: OwnNetwork = {
  nodeName: 'node1',
  family: 4,
  network: '10.244.0.0/16',
  subnet: '10.244.1.0/24',
  backend: 'vxlan',
  mac: derivedMac('node1'),
  names: annotationNames(),
}

function judge(specs: readonly NodeSpec[], changes: Partial<OwnNetwork> = {}) {
  const nodes = specs.map((spec) => mustDecode(nodeObject(spec)) as Node)
  return new PeerView({ ...own, ...changes }).among(nodes)
}

const annotated = (annotations: Record<string, string>): NodeSpec => ({
  ...node2,
  annotations: Object.fromEntries(
    Object.entries(annotations).map(([key, text]) => [`${prefix}/${key}`, text]),
  ),
})

test('a Node without annotations is a peer by its InternalIP and the MAC derived from its name', (t) => {
  t.deepEqual(judge([node2]), {
    peers: [
      {
        node: 'node2',
        subnet: '10.244.2.0/24',
        gateway: '10.244.2.0',
        publicIp: '198.18.0.12',
        vtepMac: derivedMac('node2'),
      },
    ],
    problems: [],
  })
})

for (const [what, annotations, expected] of [
  [
    "flannel's",
    { 'public-ip': '192.0.2.7', 'backend-data': '{"VNI":1,"VtepMAC":"02:AA:00:00:00:01"}' },
    ['192.0.2.7', '02:aa:00:00:00:01'],
  ],
  [
    'an address of a NAT, nobody has written public-ip yet',
    { 'public-ip-overwrite': '203.0.113.1' },
    ['203.0.113.1', derivedMac('node2')],
  ],
  [
    'nonsense in them',
    { 'public-ip': 'there', 'backend-data': '{"VtepMAC":7}' },
    ['198.18.0.12', derivedMac('node2')],
  ],
  [
    "an address of the other family, host-gw's data",
    { 'public-ip': 'fd00::1', 'backend-data': 'null' },
    ['198.18.0.12', derivedMac('node2')],
  ],
] as const) {
  test(`annotations: ${what}`, (t) => {
    const [peer] = judge([annotated(annotations)]).peers
    t.deepEqual([peer?.publicIp, peer?.vtepMac], [...expected])
  })
}

const twin = { ...node2, name: 'node3' }
for (const [nodes, problem] of [
  [
    [{ ...node2, podCIDRs: ['10.99.2.0/24'] }],
    /^podCIDR 10\.99\.2\.0\/24 is outside the pod network 10\.244\.0\.0\/16$/,
  ],
  [
    [{ ...node2, podCIDRs: ['10.244.1.128/25'] }],
    /^podCIDR 10\.244\.1\.128\/25 overlaps this node's own 10\.244\.1\.0\/24$/,
  ],
  [[{ ...node2, addresses: ['fd00::2'] }], /^has no IPv4 InternalIP$/],
  [[annotated({ 'backend-type': 'host-gw' })], /^runs the backend host-gw, not vxlan$/],
  [[node2, twin], /^podCIDR 10\.244\.2\.0\/24 belongs to Node node2 already$/],
  [
    [annotated({ 'backend-data': `{"VtepMAC":"${derivedMac('node1')}"}` })],
    /^VtepMAC .* is that of Node node1 already$/,
  ],
] as const) {
  test(`no peer, and why: ${problem.source}`, (t) => {
    const { problems, peers } = judge(nodes)
    t.is(problems.length, 1)
    t.regex(problems[0]?.problem ?? '', problem)
    t.is(peers.length, nodes.length - 1)
  })
}

test('Nodes without podCIDR, and the own one, are passed over; host-gw does not mind equal MACs', (t) => {
  const node1 = { ...node2, name: 'node1' }
  t.deepEqual(judge([node1, { ...node2, podCIDRs: [] }]), { peers: [], problems: [] })
  const same = { [`${prefix}/backend-data`]: `{"VtepMAC":"${derivedMac('node1')}"}` }
  t.is(judge([{ ...node2, annotations: same }], { backend: 'host-gw' }).peers.length, 1)
})

test('a Node is judged once, and anew when it is another object', (t) => {
  const view = new PeerView(own)
  let read = 0
  const node = mustDecode(nodeObject(node2)) as Node
  const counted = new Proxy(node, {
    get(target, key, receiver): unknown {
      if (key === 'spec') read += 1
      return Reflect.get(target, key, receiver)
    },
  })
  for (let i = 0; i < 5; i += 1) t.is(view.among([counted]).peers.length, 1)
  t.is(read, 1)
  const moved = mustDecode(nodeObject({ ...node2, addresses: ['198.18.0.99'] })) as Node
  t.is(view.among([moved]).peers[0]?.publicIp, '198.18.0.99')
})
