import test from 'ava'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { NetlinkError, NftError, NftSocket, type NftTransaction } from '#netlink'
import { DEFAULT_CONFIGURATION, type KubeProxyConfiguration, type ObjectEvent, startProxy } from '#proxy'
import { type AnyObject, memorySource, Store } from '#watch'
import { type Teardown, type TestNamespace, testNamespace, waitUntil } from '../support/index.ts'
import { kernelElements } from './support/kernel-elements.ts'
import { node, service, slice } from './support/objects.ts'
import { render } from './support/render.ts'

const web = service({ name: 'web', ports: [{ port: 80, nodePort: 30_080 }], spec: { type: 'NodePort' } })
const endpoints = (...addresses: string[]) => slice({ service: 'web', endpoints: addresses })

/** A proxy in a namespace; `intercept` runs before each commit and may throw. */
async function start(
  t: Teardown,
  options: {
    config?: Partial<KubeProxyConfiguration>
    intercept?: ((transaction: NftTransaction) => void) | undefined
    namespace?: TestNamespace
    /** besides node, Service and endpoints */
    objects?: readonly AnyObject[]
  } = {},
) {
  const namespace = options.namespace ?? testNamespace(t, 'robust')
  const netns = namespace.path
  const store = new Store({ log: pino({ level: 'silent' }), nodeName: 'n1' })
  const put = (...objects: AnyObject[]): void => {
    store.apply(objects.map((object) => ({ object })))
    store.flush()
  }
  put(node({ name: 'n1', addresses: ['192.0.2.1'] }), web, endpoints('10.244.1.5', '10.244.1.6'))
  put(...(options.objects ?? []))
  await store.run(memorySource({ standalone: false }))
  const metrics = new Registry()
  const events: ObjectEvent[] = []
  const proxy = await startProxy({
    store,
    nodeName: 'n1',
    config: { ...DEFAULT_CONFIGURATION, ...options.config },
    log: pino({ level: 'silent' }),
    metrics,
    netns,
    recordEvent: (event) => events.push(event),
    openSocket: () => {
      const socket = new NftSocket({ netns })
      const commit = socket.commit.bind(socket)
      socket.commit = (transaction) => {
        options.intercept?.(transaction)
        commit(transaction)
      }
      return socket
    },
  })
  t.teardown(() => proxy.stop())
  const rows = () => render(kernelElements(netns, 4))
  return { namespace, put, proxy, metrics, events, rows }
}

const inData: [what: string, ...command: string[]][] = [
  [
    'an endpoint deleted',
    'delete',
    'element',
    'ip',
    'plexus-proxy',
    'endpoints',
    '{ 10.96.0.10 . tcp . 80 . 0x1 }',
  ],
  [
    'an endpoint added',
    ...[
      'add',
      'element',
      'ip',
      'plexus-proxy',
      'endpoints',
      '{ 10.96.0.10 . tcp . 80 . 0x7 : 10.244.9.9 . 1 }',
    ],
  ],
  ['a data map flushed', 'flush', 'map', 'ip', 'plexus-proxy', 'endpoints'],
  ['a node address deleted', 'delete', 'element', 'ip', 'plexus-proxy', 'nodeport-ips', '{ 192.0.2.1 }'],
]

for (const [what, ...command] of inData) {
  test(`${what} behind our back is repaired, though no chain shows it`, async (t) => {
    const { namespace, rows } = await start(t)
    const before = rows()
    namespace.nft(...command)
    await waitUntil(() => rows().join() === before.join(), { what: 'the repair' })
    t.deepEqual(rows(), before)
  })
}

test('tampering just beside our own commit is noticed, too', async (t) => {
  let tamper: (() => void) | undefined
  const { namespace, put, rows } = await start(t, { intercept: () => tamper?.() })
  put(endpoints('10.244.1.5', '10.244.1.7'))
  const before = rows()
  // The monitor does not listen during our commits; another's falls into that gap.
  tamper = () => namespace.nft('flush', 'map', 'ip', 'plexus-proxy', 'service-nodeports')
  put(endpoints('10.244.1.5', '10.244.1.8'))
  tamper = undefined
  put(endpoints('10.244.1.5', '10.244.1.7'))
  await waitUntil(() => rows().join() === before.join(), { what: 'the repair' })
  t.deepEqual(rows(), before)
})

test('a table of somebody else is no concern of ours', async (t) => {
  const { namespace, metrics } = await start(t)
  for (let round = 0; round < 20; round++) {
    namespace.nft('add', 'table', 'ip', `other${round}`)
    namespace.nft('delete', 'table', 'ip', `other${round}`)
  }
  await new Promise((resolve) => setTimeout(resolve, 1500))
  t.notRegex(await metrics.metrics(), /plexus_proxy_repairs_total\{.*\} [1-9]/)
})

for (const code of ['ENOBUFS', 'EBUSY', 'ERESTART'] as const) {
  test(`${code} from the kernel is tried again by itself, and health says so meanwhile`, async (t) => {
    let failing = false
    const { put, proxy, rows } = await start(t, {
      intercept: () => {
        if (!failing) return
        if (code === 'EBUSY')
          throw new NftError([{ code, message: 'busy', operation: 'delete chain' }], { errno: 16 })
        throw new NetlinkError({ errno: code === 'ENOBUFS' ? 105 : 85, request: 'commit' })
      },
    })
    failing = true
    put(endpoints('10.244.1.9'))
    t.regex(proxy.health().detail ?? '', new RegExp(code === 'EBUSY' ? 'busy' : code))
    t.true(
      rows().some((row) => row.includes('10.244.1.5')),
      'the previous rules stay',
    )
    failing = false
    await waitUntil(() => rows().some((row) => row.endsWith('= 10.244.1.9 8080')), { what: 'the retry' })
    await waitUntil(() => proxy.health().detail === undefined, { what: 'health' })
    t.false(rows().some((row) => row.includes('10.244.1.5')))
  })
}

test('a kernel without IPv6 tables gets IPv4 rules; later the same refusal is an error like others', async (t) => {
  let failing = true
  const intercept = (transaction: NftTransaction) => {
    if (failing && String(transaction).includes(' ip6 '))
      throw new NetlinkError({ errno: 95, request: 'commit' })
  }
  const without = await start(t, { intercept })
  t.deepEqual(without.proxy.health(), { ok: true })
  t.true(without.rows().length > 0)
  t.notRegex(without.namespace.nft('list', 'tables'), /ip6/)

  failing = false
  const { put, proxy, namespace } = await start(t, { intercept })
  failing = true
  put(service({ name: 'six', clusterIPs: ['fd00:96::6'] }))
  t.regex(proxy.health().detail ?? '', /IPv6.*EOPNOTSUPP/)
  failing = false
  const listed = () => namespace.nft('list', 'set', 'ip6', 'plexus-proxy', 'no-endpoint-services')
  await waitUntil(() => listed().includes('fd00:96::6'), { what: 'the retry' })
})

test('changes that wait for two sync periods make the proxy unhealthy (24)', async (t) => {
  let failing = false
  const nftables = { ...DEFAULT_CONFIGURATION.nftables, syncPeriod: 100 }
  const { put, proxy, metrics } = await start(t, {
    config: { nftables },
    intercept: () => {
      if (failing) throw new NetlinkError({ errno: 105, request: 'commit' })
    },
  })
  t.true(proxy.health().ok)
  failing = true
  put(endpoints('10.244.1.9'))
  const pending = /kubeproxy_sync_proxy_rules_service_changes_pending 1/
  t.regex(await metrics.metrics(), pending)
  await waitUntil(() => !proxy.health().ok, { what: 'the proxy to call itself unhealthy' })
  failing = false
  await waitUntil(() => proxy.health().ok, { what: 'it to recover' })
  t.notRegex(await metrics.metrics(), pending)
})

test('a Service the kernel refuses is told as an Event', async (t) => {
  const { put, events } = await start(t, {
    intercept: (transaction) => {
      const bad = transaction.operations.filter(({ subject }) => subject === 'shop/bad')
      if (bad.length === 0) return
      throw new NftError([{ subject: 'shop/bad', code: 'EINVAL', message: 'no', operation: '' }], {
        errno: 22,
      })
    },
  })
  put(service({ name: 'bad', clusterIPs: ['10.96.0.66'] }))
  t.like(events, [{ kind: 'Service', object: 'shop/bad', type: 'Warning', reason: 'ServiceRulesRefused' }])
  t.is(events.length, 1)
})

test('what has to be left out of a Service is told once, as Event and metric; the rest is programmed', async (t) => {
  const { put, events, metrics, rows } = await start(t)
  const partly = (...loadBalancerSourceRanges: string[]) =>
    service({
      name: 'partly',
      clusterIPs: ['10.96.0.67'],
      vips: ['203.0.113.9'],
      spec: { loadBalancerSourceRanges },
    })
  put(partly('10.0.0.0/8', '10.0.0/33'))
  put(slice({ service: 'partly', endpoints: ['10.244.1.5'] }))
  t.like(events, [{ object: 'shop/partly', type: 'Warning', reason: 'ServiceFieldIgnored' }])
  t.regex(
    events[0]?.message ?? '',
    /spec\.loadBalancerSourceRanges\[1\]: "10\.0\.0\/33" is not a CIDR; left out/,
  )
  t.is(events.length, 1)
  t.is(rows().filter((row) => row.startsWith('firewall-allowed')).length, 1)
  t.regex(await metrics.metrics(), /plexus_proxy_incomplete_services\{ip_family="IPv4"\} 1/)
  put(partly('10.0.0.0/8'))
  t.regex(await metrics.metrics(), /plexus_proxy_incomplete_services\{ip_family="IPv4"\} 0/)
})

test('service ports with policy Local and endpoints elsewhere only are counted', async (t) => {
  const { put, metrics } = await start(t)
  const count = async (policy: 'internal' | 'external') => {
    const text = await metrics.metrics()
    const name = 'kubeproxy_sync_proxy_rules_no_local_endpoints_total'
    return Number(
      new RegExp(`${name}\\{ip_family="IPv4",traffic_policy="${policy}"\\} (\\d+)`).exec(text)?.[1],
    )
  }
  const local = (policies: object) => ({ ...web, spec: { ...web.spec, ...policies } })
  const at = (nodeName: string) =>
    slice({ service: 'web', endpoints: [{ address: '10.244.1.5', node: nodeName }] })
  t.deepEqual([await count('internal'), await count('external')], [0, 0])
  put(local({ externalTrafficPolicy: 'Local' }), at('n2'))
  t.deepEqual([await count('internal'), await count('external')], [0, 1])
  put(local({ externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' }))
  t.deepEqual([await count('internal'), await count('external')], [1, 1])
  put(at('n1'))
  t.deepEqual([await count('internal'), await count('external')], [0, 0])
  put(slice({ service: 'web', endpoints: [] }))
  t.deepEqual([await count('internal'), await count('external')], [0, 0])
})

test('a new Service or endpoint writes neither a verdict nor a rule with a map: the kernel would walk over everything', async (t) => {
  let written = ''
  const { put } = await start(t, { intercept: (transaction) => (written = String(transaction)) })
  const other = (...addresses: string[]) => slice({ service: 'other', endpoints: addresses })
  put(service({ name: 'other', clusterIPs: ['10.96.0.11'] }), other('10.244.1.8', '10.244.1.9'))
  t.regex(written, /add element ip plexus-proxy service-ips/)
  t.notRegex(written, /goto|add rule/)
  put(other('10.244.1.7', '10.244.1.8', '10.244.1.9'))
  const rules = written.split('\n').filter((line) => line.startsWith('add rule'))
  t.true(rules.some((rule) => rule.includes('numgen random mod 3')))
  for (const rule of rules) t.notRegex(rule, /@/)
})

for (const [what, refuse] of [
  [
    'the kernel refuses',
    (transaction: NftTransaction) => {
      // The elements of all Services travel together at first.
      const bad = transaction.operations.filter(({ subject }) =>
        ['services', 'shop/web'].includes(subject ?? ''),
      )
      if (bad.length === 0) return
      const failure = { code: 'EINVAL', message: 'refused', operation: '' }
      throw new NftError(
        bad.map(({ subject }) => ({ ...failure, subject })),
        { errno: 22 },
      )
    },
  ],
  ['no rules can be made of', undefined],
] as const) {
  test(`a Service that ${what} has the rules of its previous version after a restart, too`, async (t) => {
    const first = await start(t)
    first.put(service({ name: 'old', clusterIPs: ['10.96.0.50'] }))
    const before = first.rows()
    await first.proxy.stop()
    // Its port changes, and another Service is gone.
    const spec = refuse === undefined ? { externalIPs: null as never } : {}
    const changed = service({ name: 'web', ports: [{ port: 81, nodePort: 30_081 }], spec })
    const { rows, proxy } = await start(t, {
      namespace: first.namespace,
      intercept: refuse,
      objects: [changed],
    })
    t.deepEqual(
      rows(),
      before.filter((row) => !row.includes('10.96.0.50')),
    )
    t.regex(proxy.health().detail ?? '', /not programmed: shop\/web/)
  })
}
