import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { derivedMac } from '../../../cni/overlay/peers.ts'
import { joinNamespaces, type TestNamespace, testNamespace, waitUntil } from '../../support/index.ts'
import { Cluster, type NodeSpec, node1, node2, nodeObject, passes } from './cluster.ts'
import { echoStream, serve } from './traffic.ts'

const PLEXUS = join(import.meta.dirname, '../../../bin/plexus')
const prefix = 'flannel.alpha.coreos.com'

interface NodeView {
  metadata: { annotations?: Record<string, string> }
  status: { conditions: { type: string; status: string; reason?: string }[] }
}

/** The API server of a cluster, in a namespace of its own with a link to each machine. */
class Control {
  readonly #namespace: TestNamespace

  private constructor(namespace: TestNamespace) {
    this.#namespace = namespace
  }

  static async start(t: ExecutionContext, cluster: Cluster, objects: readonly unknown[]): Promise<Control> {
    const namespace = testNamespace(t, 'api')
    for (const [i, machine] of [cluster.a, cluster.b].entries()) {
      joinNamespaces(
        { namespace, name: `node${i}`, addresses: [`192.0.2.${4 * i + 1}/30`] },
        { namespace: machine.namespace, name: 'mgmt0', addresses: [`192.0.2.${4 * i + 2}/30`] },
      )
      const kubeconfig = join(cluster.directory, `kubeconfig${i}`)
      const named = { name: 'test', cluster: { server: `http://192.0.2.${4 * i + 1}:6443` } }
      const context = { name: 'test', context: { cluster: 'test', user: 'test' } }
      const users = [{ name: 'test', user: {} }]
      const config = { 'current-context': 'test', clusters: [named], users, contexts: [context] }
      writeFileSync(kubeconfig, JSON.stringify({ apiVersion: 'v1', kind: 'Config', ...config }))
      machine.source = ['--kubeconfig-file', kubeconfig]
      machine.env = { NODE_NAME: `node${i + 1}` }
    }
    const file = join(cluster.directory, 'objects.json')
    writeFileSync(file, JSON.stringify(objects))
    const child = namespace.start([process.execPath, join(import.meta.dirname, 'api-process.ts'), file])
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await waitUntil(() => output.includes('ready'), { what: 'the API server' })
    return new Control(namespace)
  }

  node(name: string): NodeView {
    return JSON.parse(
      this.#namespace.run('curl', '-sf', `http://127.0.0.1:6443/api/v1/nodes/${name}`),
    ) as NodeView
  }

  annotation(node: string, name: string): string | undefined {
    return this.node(node).metadata.annotations?.[`${prefix}/${name}`]
  }

  /** Changes a Node's status and annotations. */
  patch(node: string, patch: unknown): void {
    this.#patch(`${node}/status`, patch)
  }

  /** Gives a Node its podCIDR. */
  allocate(node: string, podCIDR: string): void {
    this.#patch(node, { spec: { podCIDR, podCIDRs: [podCIDR] } })
  }

  #patch(path: string, patch: unknown): void {
    const type = 'content-type: application/merge-patch+json'
    const url = `http://127.0.0.1:6443/api/v1/nodes/${path}`
    this.#namespace.run('curl', '-sf', '-X', 'PATCH', '-H', type, '-d', JSON.stringify(patch), url)
  }
}

/** A Node as the kubelet and a cloud's controller leave it. */
function fresh(spec: NodeSpec): unknown {
  const node = nodeObject(spec) as { status: object }
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'KubeletReady' },
    { type: 'NetworkUnavailable', status: 'True', reason: 'NoRouteCreated' },
  ]
  return { ...node, status: { ...node.status, conditions } }
}

test.serial('on an API server every node tells about itself, and follows what is told', async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } })
  const { a, b } = cluster
  const control = await Control.start(t, cluster, [fresh(node1), fresh(node2)])
  await Promise.all([a.start('--kube-subnet-mgr', '--ip-masq'), b.start()])
  for (const [name, publicIp] of [
    ['node1', '198.18.0.11'],
    ['node2', '198.18.0.12'],
  ] as const) {
    await waitUntil(() => control.annotation(name, 'public-ip') !== undefined, { what: `${name}'s patch` })
    const { metadata, status } = control.node(name)
    t.deepEqual(metadata.annotations, {
      [`${prefix}/kube-subnet-manager`]: 'true',
      [`${prefix}/backend-type`]: 'vxlan',
      [`${prefix}/backend-data`]: JSON.stringify({ VNI: 1, VtepMAC: derivedMac(name) }),
      [`${prefix}/public-ip`]: publicIp,
    })
    t.like(status.conditions, [
      { type: 'Ready', status: 'True', reason: 'KubeletReady' },
      { type: 'NetworkUnavailable', status: 'False', reason: 'FlannelIsUp' },
    ])
  }
  await a.reached('10.244.2.0')

  // Somebody falsifies it, somebody asks for the address of a NAT, and takes that back.
  const told = (text: string) =>
    waitUntil(() => control.annotation('node1', 'public-ip') === text, { what: `public-ip ${text}` })
  const destination = (): string | undefined =>
    b.namespace.json<{ dst: string }[]>('bridge', '-j', 'fdb', 'show', 'dev', 'flannel.1')[0]?.dst
  control.patch('node1', { metadata: { annotations: { [`${prefix}/public-ip`]: '203.0.113.1' } } })
  await told('198.18.0.11')
  control.patch('node1', { metadata: { annotations: { [`${prefix}/public-ip-overwrite`]: '203.0.113.7' } } })
  await told('203.0.113.7')
  await waitUntil(() => destination() === '203.0.113.7', { what: 'the other side' })
  control.patch('node1', { metadata: { annotations: { [`${prefix}/public-ip-overwrite`]: null } } })
  await told('198.18.0.11')
  await a.reached('10.244.2.0')

  // The node gets another address: the device sends from it, and the others hear of it.
  a.namespace.run('ip', 'addr', 'add', '198.18.0.21/24', 'dev', 'under0')
  a.namespace.run('sysctl', '-qw', 'net.ipv4.conf.under0.promote_secondaries=1')
  a.namespace.run('ip', 'addr', 'del', '198.18.0.11/24', 'dev', 'under0')
  control.patch('node1', { status: { addresses: [{ type: 'InternalIP', address: '198.18.0.21' }] } })
  await told('198.18.0.21')
  await waitUntil(() => destination() === '198.18.0.21', { what: 'the other side' })
  await b.reached('10.244.1.0')
  t.is(a.device('flannel.1')?.linkinfo.info_data.local, '198.18.0.21')
})

test.serial(
  'a node without podCIDR is not told to be available, and its Pod may tell its name',
  async (t) => {
    const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'host-gw' } })
    const { a } = cluster
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'overlay-x', namespace: 'kube-system' },
      spec: { nodeName: 'node1', containers: [] },
      status: {},
    }
    const control = await Control.start(t, cluster, [fresh({ ...node1, podCIDRs: [] }), fresh(node2), pod])
    a.env = { POD_NAME: 'overlay-x', POD_NAMESPACE: 'kube-system' }
    await a.start()
    await a.says(/waits for Node node1: spec\.podCIDRs has no IPv4 network yet/)
    const available = (): string | undefined =>
      control.node('node1').status.conditions.find(({ type }) => type === 'NetworkUnavailable')?.status
    t.is(available(), 'True')
    t.is(control.annotation('node1', 'public-ip'), undefined)
    // kube-controller-manager allocates.
    control.allocate('node1', '10.244.1.0/24')
    await waitUntil(() => available() === 'False', { what: 'the condition' })
    t.is(control.annotation('node1', 'backend-data'), 'null')
    t.is(a.route('10.244.2.0/24')?.dev, 'under0')
  },
)

test.serial('in the agent: it tells about itself, and kill -9 loses no packet', async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } })
  const { a, b } = cluster
  const control = await Control.start(t, cluster, [fresh(node1), fresh(node2)])
  a.useAgent({ kubeconfig: 'kubeconfig0', snapshot: 'snapshot' })
  await Promise.all([a.start(), b.start()])
  await waitUntil(() => control.annotation('node1', 'public-ip') === '198.18.0.11', { what: 'the patch' })
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1')
  const pod2 = b.addPod(t, '10.244.2.5', '10.244.2.1')
  await serve(pod2)
  await passes(pod1, '10.244.2.5')
  const end = await echoStream(pod1, '10.244.2.5')
  for (let round = 0; round < 3; round += 1) {
    await a.kill()
    await a.start()
  }
  const { sent, lost } = await end()
  t.true(sent > 100, `${sent} datagrams sent`)
  t.is(lost, 0, `of ${sent}`)
  const socket = join(cluster.directory, 'node1.sock')
  const peers = a.namespace.run(PLEXUS, 'get', 'peers', '--socket', socket)
  t.regex(peers, /node2\s.*198\.18\.0\.12/)
})
