import test from 'ava'
import { mustDecode } from '#watch'
import { joinNamespaces, testNamespace } from '../support/index.ts'
import { type Member, NODE, NodeFixture } from './support/node-fixture.ts'
import { service, slice } from './support/objects.ts'
import { Probe } from './support/probe.ts'
import { ANY, client } from './support/settle.ts'

// research/proxy.md §1.4, cell by cell, with real connections; and `plexus trace` has to foretell each of them.

type Kind = 'clusterIP' | 'externalIP' | 'VIP' | 'nodePort'
type Policy = 'Cluster' | 'Local'
type Placement = 'here and there' | 'there' | 'nowhere'
type Who = 'pod' | 'host' | 'outside'

const destinations: Record<Kind, readonly [v4: string, v6: string, port: number]> = {
  clusterIP: ['10.96.0.10', 'fd00:96::a', 80],
  externalIP: ['198.51.100.7', '2001:db8:e::7', 80],
  VIP: ['203.0.113.5', '2001:db8:f::5', 80],
  nodePort: ['192.0.2.1', '2001:db8::1', 30_080],
}
const far = { node: 'node2', addresses: ['10.244.2.9', 'fd00:244:2::9'] }

/** What §1.4 says, independent of the code under test. */
function expected(kind: Kind, policy: Policy, placement: Placement, who: Who) {
  const all = placement === 'nowhere' ? [] : placement === 'there' ? ['far'] : ['far', 'near']
  const near = all.filter((name) => name === 'near')
  if (all.length === 0) return { answer: ['ECONNREFUSED'], masqueraded: undefined }
  const orDrop = (servers: string[], masqueraded: boolean) =>
    servers.length === 0 ? { answer: ['TIMEOUT'], masqueraded: undefined } : { answer: servers, masqueraded }
  if (kind === 'clusterIP') return orDrop(policy === 'Local' ? near : all, who !== 'pod')
  if (policy === 'Cluster') return { answer: all, masqueraded: true }
  if (who === 'outside') return orDrop(near, false)
  return { answer: all, masqueraded: who === 'host' }
}

/** Pod `near` on the node and pod `far` behind a second node serve; pod `near2` and the fixture's others call. */
async function cluster(t: ConstructorParameters<typeof NodeFixture>[0]) {
  const fixture = new NodeFixture(t)
  const [near, caller] = [fixture.pod('near'), fixture.pod('call')]
  const namespace = testNamespace(t, 'far')
  joinNamespaces(
    { namespace: fixture.node.namespace, name: 'under1', addresses: ['10.244.2.1/24', 'fd00:244:2::1/64'] },
    { namespace, name: 'eth0', addresses: ['10.244.2.9/24', 'fd00:244:2::9/64'] },
  )
  namespace.run('ip', 'route', 'add', 'default', 'via', '10.244.2.1')
  namespace.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd00:244:2::1')
  const remote: Member = { namespace, probe: new Probe(namespace), addresses: far.addresses }
  t.teardown(() => remote.probe.close())
  for (const [name, { probe, addresses }] of Object.entries({ near, far: remote })) {
    await probe.listen(name, { address: ANY, port: 8080 })
    for (const address of addresses) await probe.listen(name, { protocol: 'udp', address, port: 8080 })
  }
  const pod = mustDecode({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'caller', namespace: 'shop' },
    spec: { nodeName: NODE, containers: [{ name: 'c' }] },
    status: { phase: 'Running', podIP: caller.addresses[0], podIPs: caller.addresses.map((ip) => ({ ip })) },
  })
  fixture.put(pod)
  return { fixture, near, caller }
}

const ports = [
  { name: 't', port: 80, nodePort: 30_080 },
  { name: 'u', port: 80, nodePort: 30_080, protocol: 'UDP' as const },
]
const targets = [
  { name: 't', port: 8080 },
  { name: 'u', port: 8080, protocol: 'UDP' as const },
]

for (const policy of ['Cluster', 'Local'] as const) {
  for (const placement of ['here and there', 'there', 'nowhere'] as const) {
    test.serial(
      `traffic policy ${policy}, endpoints ${placement}: every destination from everywhere`,
      async (t) => {
        const { fixture, near, caller } = await cluster(t)
        const slices = ([4, 6] as const).map((family) => {
          const index = family === 4 ? 0 : 1
          const here = { address: near.addresses[index] ?? '', node: NODE }
          const there = { address: far.addresses[index] ?? '', node: far.node }
          const endpoints = { 'here and there': [here, there], there: [there], nowhere: [] }[placement]
          return slice({ service: 'web', family, ports: targets, endpoints })
        })
        const web = service({
          name: 'web',
          clusterIPs: destinations.clusterIP.slice(0, 2) as string[],
          ports,
          vips: destinations.VIP.slice(0, 2) as string[],
          spec: {
            externalIPs: destinations.externalIP.slice(0, 2) as string[],
            internalTrafficPolicy: policy,
            externalTrafficPolicy: policy,
          },
        })
        fixture.put(web, ...slices)
        const proxy = await fixture.start()
        const callers: Record<Who, Member> = { pod: caller, host: fixture.node, outside: fixture.outside }
        for (const [kind, [v4, v6, port]] of Object.entries(destinations)) {
          for (const [who, from] of Object.entries(callers)) {
            for (const [index, address] of [v4, v6].entries()) {
              const cell = `${kind} ${address} from ${who}`
              const { answer, masqueraded } = expected(kind as Kind, policy, placement, who as Who)
              const target = { address, port, ...(answer[0] === 'TIMEOUT' ? { timeoutMs: 250 } : {}) }
              const calls = await Promise.all(
                Array.from({ length: answer.length > 1 ? 16 : 2 }, () => from.probe.call(target)),
              )
              const servers = [...new Set(calls.map((call) => client(call).server))].sort()
              t.deepEqual(servers, answer, cell)
              const own = from.addresses[index] ?? ''
              if (masqueraded !== undefined && who !== 'host')
                t.is(
                  calls.every((call) => client(call).address !== own),
                  masqueraded,
                  `${cell}: masquerading`,
                )
              // Refusals of UDP are ICMP errors, which the kernel limits to a few.
              if (answer[0] !== 'ECONNREFUSED') {
                const udp = client(await from.probe.call({ ...target, protocol: 'udp' })).server
                t.true(answer.includes(udp), `${cell}, UDP: ${udp}`)
              }

              const asked = { pod: 'shop/caller', host: 'host', outside: own }[who as Who]
              const to = index === 0 ? `${address}:${port}` : `[${address}]:${port}`
              const trace = proxy.trace({ from: asked, to })
              const foretold = {
                translated: trace.endpoints
                  .filter(({ candidate }) => candidate)
                  .map(({ node }) => (node === NODE ? 'near' : 'far')),
                rejected: ['ECONNREFUSED'],
                dropped: ['TIMEOUT'],
              }[trace.outcome as 'translated' | 'rejected' | 'dropped']
              t.deepEqual(foretold?.sort(), answer, `${cell}: ${JSON.stringify(trace)}`)
              if (masqueraded !== undefined)
                t.is(trace.masqueraded === 'yes', masqueraded, `${cell}: ${JSON.stringify(trace.steps)}`)
            }
          }
        }
      },
    )
  }
}

test.serial('ports nobody has are refused, free addresses of the ServiceCIDR lead nowhere', async (t) => {
  const { fixture, caller } = await cluster(t)
  fixture.put(service({ name: 'web', clusterIPs: ['10.96.0.10', 'fd00:96::a'], ports }))
  const proxy = await fixture.start()
  const free = ['10.96.0.99', 'fd00:96::99']
  const network = (...cidrs: string[]) =>
    mustDecode({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'main' },
      spec: { cidrs },
    })
  // The far side answers for what is routed there.
  fixture.node.namespace.run('ip', 'route', 'add', '10.96.0.0/16', 'via', '10.244.2.9')
  t.is(proxy.trace({ from: 'shop/caller', to: '10.96.0.99:80' }).outcome, 'untouched')
  fixture.put(network('10.96.0.0/16', 'fd00:96::/112'))
  for (const from of [caller, fixture.node, fixture.outside]) {
    for (const address of free)
      t.is(await from.probe.call({ address, port: 80, timeoutMs: 250 }), 'TIMEOUT', address)
    for (const address of ['10.96.0.10', 'fd00:96::a'])
      t.is(await from.probe.call({ address, port: 81 }), 'ECONNREFUSED')
  }
  t.like(proxy.trace({ from: 'shop/caller', to: '10.96.0.99:80' }), {
    outcome: 'dropped',
    summary: 'dropped: no Service has this address of ServiceCIDR 10.96.0.0/16',
  })
  t.like(proxy.trace({ from: 'shop/caller', to: 'web:81' }), {
    outcome: 'rejected',
    summary: 'rejected: Service shop/web has no TCP port 81',
  })
})
