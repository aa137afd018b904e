import type { ChildProcess } from 'node:child_process'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { NftError, NftSocket, type NftTransaction, runInNetns } from '#netlink'
import { cleanup, DEFAULT_CONFIGURATION, type ProxyComponent, startProxy } from '#proxy'
import { memorySource, Store } from '#watch'
import {
  type Teardown,
  type TestNamespace,
  testDirectory,
  testNamespace,
  waitUntil,
} from '../support/index.ts'
import { kernelElements } from './support/kernel-elements.ts'
import { node, service, slice } from './support/objects.ts'
import { render } from './support/render.ts'

/** A proxy on an empty namespace; `intercept` sees each transaction before the kernel does. */
async function start(
  t: Teardown,
  options: { store: Store; namespace: TestNamespace; intercept?: (transaction: NftTransaction) => void },
): Promise<{ proxy: ProxyComponent; metrics: Registry; commits: NftTransaction[] }> {
  const { store, namespace, intercept } = options
  const metrics = new Registry()
  const commits: NftTransaction[] = []
  const netns = namespace.path
  const proxy = await startProxy({
    store,
    nodeName: 'n1',
    config: { ...DEFAULT_CONFIGURATION, clusterCIDR: ['10.244.0.0/16'] },
    log: pino({ level: 'silent' }),
    metrics,
    netns,
    openSocket: () => {
      const socket = new NftSocket({ netns })
      const commit = socket.commit.bind(socket)
      socket.commit = (transaction) => {
        intercept?.(transaction)
        commit(transaction)
        commits.push(transaction)
      }
      return socket
    },
  })
  t.teardown(() => proxy.stop())
  return { proxy, metrics, commits }
}

async function newStore(): Promise<Store> {
  const store = new Store({ log: pino({ level: 'silent' }), nodeName: 'n1' })
  store.apply([{ object: node({ name: 'n1', addresses: ['192.0.2.1'] }) }])
  await store.run(memorySource({ standalone: false }))
  return store
}

const web = service({ name: 'web', ports: [{ port: 80, nodePort: 30_080 }], spec: { type: 'NodePort' } })
const endpoints = (...addresses: string[]) => slice({ service: 'web', endpoints: addresses })
const put = (store: Store, ...objects: (typeof web | ReturnType<typeof endpoints>)[]) => {
  store.apply(objects.map((object) => ({ object })))
  store.flush()
}
const rows = (namespace: TestNamespace, set: string) =>
  render(kernelElements(namespace.path, 4)).filter((row) => row.startsWith(`${set} `))

test('a restart writes nothing but what differs, and removes what nobody knows', async (t) => {
  const namespace = testNamespace(t, 'restart')
  const store = await newStore()
  put(store, web, endpoints('10.244.1.5', '10.244.1.6'))
  const first = await start(t, { store, namespace })
  const before = render(kernelElements(namespace.path, 4))
  await first.proxy.stop()
  t.deepEqual(render(kernelElements(namespace.path, 4)), before)

  namespace.nft('add', 'chain', 'ip', 'plexus-proxy', 'stranger')
  namespace.nft('add', 'set', 'ip', 'plexus-proxy', 'strange', '{ type ipv4_addr; }')
  namespace.nft('add', 'element', 'ip', 'plexus-proxy', 'cluster-ips', '{ 10.96.9.9 }')
  const changed = await newStore()
  put(changed, web, endpoints('10.244.1.5', '10.244.1.7'))
  const second = await start(t, { store: changed, namespace })
  const text = String(second.commits[0])
  t.notRegex(text, /0af40105/, '10.244.1.5 is there already')
  t.regex(text, /0af40107/, '10.244.1.7 is new')
  t.deepEqual(
    render(kernelElements(namespace.path, 4)),
    before.map((row) => row.replace('10.244.1.6', '10.244.1.7')),
  )
  t.notRegex(namespace.nft('list', 'table', 'ip', 'plexus-proxy'), /strange/)
})

test('other tables are neither touched by us nor by cleanup', async (t) => {
  const namespace = testNamespace(t, 'foreign')
  namespace.nft('add', 'table', 'ip', 'kube-proxy')
  namespace.nft(
    'add',
    'set',
    'ip',
    'kube-proxy',
    'cluster-ips',
    '{ type ipv4_addr; elements = { 10.96.0.1 }; }',
  )
  const foreign = namespace.nft('list', 'ruleset')
  const store = await newStore()
  put(store, web, endpoints('10.244.1.5'))
  const { proxy } = await start(t, { store, namespace })
  t.not(namespace.nft('list', 'ruleset'), foreign)
  t.deepEqual(proxy.health(), { ok: true, detail: 'kube-proxy has rules on this node (nftables mode)' })
  await proxy.stop()
  runInNetns(namespace.path, cleanup)
  t.is(namespace.nft('list', 'ruleset'), foreign)
  runInNetns(namespace.path, cleanup)
})

test('a kube-proxy that runs in our network namespace is named, one elsewhere is not', async (t) => {
  const [namespace, elsewhere] = [testNamespace(t, 'rival'), testNamespace(t, 'elsewhere')]
  const program = join(testDirectory(t), 'kube-proxy')
  copyFileSync('/bin/sleep', program)
  const named = (child: ChildProcess) =>
    waitUntil(() => readFileSync(`/proc/${child.pid}/comm`, 'latin1') === 'kube-proxy\n', {
      what: 'its name',
    })
  await named(elsewhere.start([program, '600']))
  const store = await newStore()
  const first = await start(t, { store, namespace })
  t.deepEqual(first.proxy.health(), { ok: true })
  await first.proxy.stop()
  const rival = namespace.start([program, '600'])
  await named(rival)
  const second = await start(t, { store, namespace })
  t.deepEqual(second.proxy.health(), { ok: true, detail: `kube-proxy runs on this node, pid ${rival.pid}` })
})

const tampering: [what: string, ...command: string[]][] = [
  ['flushing the ruleset', 'flush', 'ruleset'],
  ['deleting the table', 'delete', 'table', 'ip', 'plexus-proxy'],
  ['flushing a chain', 'flush', 'chain', 'ip', 'plexus-proxy', 'services'],
  ['flushing all rules', 'flush', 'table', 'ip', 'plexus-proxy'],
  ['emptying a map', 'flush', 'map', 'ip', 'plexus-proxy', 'service-ips'],
]

for (const [what, ...command] of tampering) {
  test(`${what} is noticed and repaired`, async (t) => {
    const namespace = testNamespace(t, 'tamper')
    const store = await newStore()
    put(store, web, endpoints('10.244.1.5', '10.244.1.6'))
    const { metrics } = await start(t, { store, namespace })
    const listed = namespace.nft('-s', 'list', 'table', 'ip', 'plexus-proxy').split('\n').sort()
    namespace.nft(...command)
    const now = () => namespace.try('/usr/sbin/nft', '-s', 'list', 'table', 'ip', 'plexus-proxy').stdout
    t.notDeepEqual(now().split('\n').sort(), listed)
    await waitUntil(() => now().split('\n').sort().join() === listed.join(), { what: 'repair' })
    t.regex(await metrics.metrics(), /plexus_proxy_repairs_total\{ip_family="IPv4"\} [1-9]/)
  })
}

test('a change finds the table gone and writes all of it', async (t) => {
  const namespace = testNamespace(t, 'gone')
  const store = await newStore()
  put(store, web, endpoints('10.244.1.5'))
  await start(t, { store, namespace })
  namespace.nft('delete', 'table', 'ip', 'plexus-proxy')
  put(store, endpoints('10.244.1.6'))
  t.deepEqual(rows(namespace, 'endpoints'), ['endpoints 10.96.0.10 TCP 80 0 = 10.244.1.6 8080'])
  t.is(rows(namespace, 'service-nodeports').length, 1)
})

test('a Service the kernel refuses is set aside alone, named, and taken up again when it changes', async (t) => {
  const namespace = testNamespace(t, 'refused')
  const store = await newStore()
  put(store, web, endpoints('10.244.1.5'))
  let poison = ''
  /** As the kernel would refuse: nothing of the batch is applied, each message of the Service fails. */
  const intercept = (transaction: NftTransaction) => {
    const failing = transaction.operations.filter(({ subject }) => poison !== '' && subject === poison)
    if (failing.length === 0) return
    throw new NftError(
      failing.map((operation) => ({
        subject: operation.subject,
        code: 'EINVAL',
        message: 'refused',
        operation: '',
      })),
      { errno: 22 },
    )
  }
  const { proxy, metrics } = await start(t, { store, namespace, intercept })
  poison = 'shop/bad'
  put(
    store,
    service({ name: 'bad', clusterIPs: ['10.96.0.66'] }),
    service({ name: 'good', clusterIPs: ['10.96.0.11'] }),
    endpoints('10.244.1.6'),
  )
  t.deepEqual(rows(namespace, 'cluster-ips'), ['cluster-ips 10.96.0.10', 'cluster-ips 10.96.0.11'])
  t.deepEqual(rows(namespace, 'endpoints'), ['endpoints 10.96.0.10 TCP 80 0 = 10.244.1.6 8080'])
  t.like(
    proxy.describeServices().find(({ service: name }) => name === 'shop/bad'),
    { state: 'refused', detail: 'refused' },
  )
  t.deepEqual(proxy.health(), { ok: true, detail: 'not programmed: shop/bad' })
  t.regex(await metrics.metrics(), /plexus_proxy_quarantined_services\{ip_family="IPv4"\} 1/)
  poison = ''
  put(store, service({ name: 'bad', clusterIPs: ['10.96.0.67'] }))
  t.true(rows(namespace, 'cluster-ips').includes('cluster-ips 10.96.0.67'))
  t.deepEqual(proxy.health(), { ok: true })
})

test('two Services that want one node port: the older has it, the younger gets it when that goes', async (t) => {
  const namespace = testNamespace(t, 'conflict')
  const store = await newStore()
  const wanting = (name: string, created: string, ip: string) =>
    service({
      name,
      created,
      clusterIPs: [ip],
      ports: [{ port: 80, nodePort: 30_080 }],
      spec: { type: 'NodePort' },
    })
  put(store, wanting('young', '2026-02-01T00:00:00Z', '10.96.0.2'))
  const { proxy } = await start(t, { store, namespace })
  put(store, wanting('old', '2026-01-01T00:00:00Z', '10.96.0.1'))
  t.deepEqual(rows(namespace, 'no-endpoint-nodeports'), ['no-endpoint-nodeports TCP 30080 # shop/old'])
  const young = proxy.describeServices().find(({ service: name }) => name === 'shop/young')
  t.regex(young?.detail ?? '', /shop\/old/)
  store.apply([{ kind: 'Service', deleted: 'shop/old' }])
  store.flush()
  t.deepEqual(rows(namespace, 'no-endpoint-nodeports'), ['no-endpoint-nodeports TCP 30080 # shop/young'])
})

test('nft lists our tables as text and JSON, with every kind of rule in them', async (t) => {
  const namespace = testNamespace(t, 'list')
  const store = await newStore()
  const ips = ['10.96.0.10', 'fd00:96::a']
  const spec = {
    type: 'LoadBalancer' as const,
    sessionAffinity: 'ClientIP' as const,
    externalTrafficPolicy: 'Local' as const,
    loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/8'],
  }
  put(
    store,
    service({
      name: 'web',
      clusterIPs: ips,
      ports: [{ port: 80, nodePort: 30_080 }],
      vips: ['203.0.113.1', '2001:db8:f::1'],
      spec,
    }),
    service({ name: 'sctp', clusterIPs: ['10.96.0.11'], ports: [{ port: 99, protocol: 'SCTP' }] }),
    endpoints('10.244.1.5', '10.244.1.6'),
    slice({ service: 'web', family: 6, endpoints: ['fd00:244:1::5'] }),
  )
  await start(t, { store, namespace })
  const text = namespace.nft('list', 'ruleset')
  t.regex(text, /comment "shop\/web"/)
  t.regex(text, /10\.96\.0\.11 \. sctp \. 99/)
  t.notRegex(text, /invalid|unknown/)
  t.true(JSON.parse(namespace.nft('-j', 'list', 'ruleset')).nftables.length > 100)
})

test('chains nobody leads to are deleted a while after, those in use stay', async (t) => {
  const namespace = testNamespace(t, 'garbage')
  const store = await newStore()
  put(store, web, endpoints('10.244.1.5', '10.244.1.6', '10.244.1.7'))
  await start(t, { store, namespace })
  put(store, endpoints('10.244.1.5'))
  const listed = () => namespace.nft('list', 'table', 'ip', 'plexus-proxy')
  const chains = () => [...listed().matchAll(/chain (\S+-\d+) /g)].map(([, name]) => name)
  t.true(chains().includes('pick-3'))
  await waitUntil(() => !chains().includes('pick-3'), { what: 'garbage collection', timeoutMs: 15_000 })
  t.deepEqual(chains().sort(), ['cluster-1', 'nodeport-1', 'nodeport-pick-1', 'pick-1'])
  put(store, endpoints('10.244.1.5', '10.244.1.6', '10.244.1.7'))
  t.true(chains().includes('pick-3'))
})

test('a table of another shape is replaced in one commit', async (t) => {
  const namespace = testNamespace(t, 'shape')
  namespace.nft('add', 'table', 'ip', 'plexus-proxy')
  namespace.nft('add', 'set', 'ip', 'plexus-proxy', 'cluster-ips', '{ type inet_service; }')
  namespace.nft('add', 'chain', 'ip', 'plexus-proxy', 'nat-output', '{ type filter hook input priority 7; }')
  const store = await newStore()
  put(store, web, endpoints('10.244.1.5'))
  await start(t, { store, namespace })
  t.deepEqual(rows(namespace, 'cluster-ips'), ['cluster-ips 10.96.0.10'])
  t.regex(namespace.nft('list', 'chain', 'ip', 'plexus-proxy', 'nat-output'), /type nat hook output/)
})

test('an object no rules can be made of does not keep others from the kernel', async (t) => {
  const namespace = testNamespace(t, 'broken')
  const store = await newStore()
  const { proxy, metrics } = await start(t, { store, namespace })
  const broken = service({ name: 'broken', spec: { externalIPs: null as never } })
  put(store, broken, web, endpoints('10.244.1.5'))
  t.deepEqual(rows(namespace, 'cluster-ips'), ['cluster-ips 10.96.0.10'])
  t.is(proxy.health().detail, 'not programmed: shop/broken')
  t.regex(await metrics.metrics(), /plexus_proxy_quarantined_services\{ip_family="IPv4"\} 1/)
  store.apply([{ kind: 'Service', deleted: 'shop/broken' }])
  store.flush()
  t.deepEqual(proxy.health(), { ok: true })
})
