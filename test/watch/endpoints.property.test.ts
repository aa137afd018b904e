import test from 'ava'
import fc from 'fast-check'
import { memorySource, openStore } from '#watch'
import { log, node, pod, service, slice } from './objects.ts'

/** The state of the little cluster as plain JSON, by kind and name. */
interface Cluster {
  readonly pods: Map<string, ReturnType<typeof pod>>
  readonly services: Map<string, ReturnType<typeof service>>
  readonly slices: Map<string, ReturnType<typeof slice>>
  readonly nodes: Map<string, ReturnType<typeof node>>
}

type Line = string

/**
 * An independent, naive reading of the rules: what a Service's merged endpoints are, computed from
 * everything each time. Lines are 'port address:number ready serving terminating node zone'.
 */
function expected(cluster: Cluster, name: string): Line[] {
  const own = [...cluster.slices.values()].filter(
    (s) => s.metadata.labels['kubernetes.io/service-name'] === name,
  )
  const rows: { where: string; rank: string; line: Line }[] = []
  const add = (
    port: string,
    ip: string,
    number: number,
    c: Conditions,
    nodeName: string,
    zone: string,
    order: string,
  ) => {
    // Smaller rank wins: ready first, then serving, then not terminating, then the slice's name.
    const rank = `${c.ready ? 0 : 1}${c.serving ? 0 : 1}${c.terminating ? 1 : 0}${order}`
    const where = `${port} ${ip}:${number}`
    rows.push({ where, rank, line: `${where} ${c.ready} ${c.serving} ${c.terminating} ${nodeName} ${zone}` })
  }
  if (own.length > 0) {
    for (const s of own) {
      for (const e of s.endpoints as { addresses: [string]; conditions: Partial<Conditions> }[]) {
        const c = { ready: true, serving: true, terminating: false, ...e.conditions }
        add('http', e.addresses[0], s.ports[0]?.port ?? 0, c, '', '', s.metadata.name)
      }
    }
  } else {
    const selected = cluster.services.get(name)
    const selector = (selected?.spec as { selector?: Record<string, string> } | undefined)?.selector
    for (const p of selected === undefined || selector === undefined ? [] : cluster.pods.values()) {
      const labels: Record<string, string> = p.metadata.labels
      if (!Object.entries(selector ?? {}).every(([k, v]) => labels[k] === v)) continue
      if (p.status.phase !== 'Running') continue
      const serving = p.status.conditions[0]?.status === 'True'
      const terminating = 'deletionTimestamp' in p.metadata
      const zone = cluster.nodes.get(p.spec.nodeName)?.metadata.labels['topology.kubernetes.io/zone'] ?? ''
      const number =
        (p.spec.containers[0] as { ports?: { containerPort: number }[] }).ports?.[0]?.containerPort ?? 0
      const c = { ready: serving && !terminating, serving, terminating }
      add('http', p.status.podIP, number, c, p.spec.nodeName, zone, '')
    }
  }
  const best = new Map<string, (typeof rows)[number]>()
  for (const row of rows) {
    const other = best.get(row.where)
    if (other === undefined || row.rank < other.rank) best.set(row.where, row)
  }
  return [...best.values()].map(({ line }) => line).sort()
}

interface Conditions {
  ready: boolean
  serving: boolean
  terminating: boolean
}

const app = fc.constantFrom('a', 'b')
const tier = fc.constantFrom('x', 'y')
const selector = fc.oneof(
  fc.record({ app }),
  fc.record({ app, tier }),
  fc.record({ tier }),
  fc.constant(undefined),
)
const serviceName = fc.constantFrom('s1', 's2', 's3')
const nodeName = fc.constantFrom('node1', 'node2')
const podName = fc.constantFrom('p1', 'p2', 'p3', 'p4', 'p5')
const gone = fc.constantFrom(true, false, false)
const optional = fc.constantFrom(undefined, true, false)

const change = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('pod' as const),
      name: podName,
      gone,
      labels: fc.record({ app, tier }),
      ready: fc.boolean(),
      phase: fc.constantFrom('Running', 'Running', 'Running', 'Succeeded'),
      terminating: fc.constantFrom(true, false, false),
      port: fc.constantFrom(8080, 8081),
      nodeName,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('service' as const),
      name: serviceName,
      gone,
      selector,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('slice' as const),
      name: fc.constantFrom('e1', 'e2', 'e3'),
      gone,
      owner: serviceName,
      port: fc.constantFrom(8080, 9090),
      endpoints: fc.array(
        fc.record({
          last: fc.constantFrom(1, 2, 3),
          conditions: fc.record({ ready: optional, serving: optional, terminating: optional }),
        }),
        { maxLength: 3 },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('node' as const),
      name: nodeName,
      gone,
      zone: fc.constantFrom('z1', 'z2', undefined),
    }),
  },
)

type Step = typeof change extends fc.Arbitrary<infer T> ? T : never

/** What a step makes of the cluster: the object put, or undefined for a deletion. */
function play(step: Step, cluster: Cluster): object | undefined {
  const put = <T extends object>(map: Map<string, T>, object: T): T | undefined => {
    if (step.gone) map.delete(step.name)
    else map.set(step.name, object)
    return step.gone ? undefined : object
  }
  switch (step.type) {
    case 'pod':
      return put(
        cluster.pods,
        pod(step.name, {
          labels: step.labels,
          ready: step.ready,
          ip: `10.1.0.${step.name.slice(1)}`,
          metadata: step.terminating ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {},
          status: { phase: step.phase },
          spec: {
            nodeName: step.nodeName,
            containers: [{ name: 'main', ports: [{ name: 'web', containerPort: step.port }] }],
          },
        }),
      )
    case 'service': {
      const spec = { selector: step.selector, ports: [{ port: 80, name: 'http', targetPort: 'web' }] }
      return put(
        cluster.services,
        service(step.name, step.selector === undefined ? { ports: spec.ports } : spec),
      )
    }
    case 'slice': {
      const endpoints = step.endpoints.map(({ last, conditions }) => ({
        addresses: [`10.1.0.${last}`],
        conditions: Object.fromEntries(Object.entries(conditions).filter(([, value]) => value !== undefined)),
      }))
      const ports = { ports: [{ name: 'http', port: step.port }] }
      return put(cluster.slices, slice(step.name, step.owner, endpoints, ports) as ReturnType<typeof slice>)
    }
    case 'node':
      return put(cluster.nodes, node(step.name, step.zone))
  }
}

const kindOf = { pod: 'Pod', service: 'Service', slice: 'EndpointSlice', node: 'Node' } as const
const seed = 20261122

test(`property: the incremental view equals one computed from scratch, and consumers are told of each change (seed ${seed})`, async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(change, fc.boolean()), { minLength: 30, maxLength: 90, size: 'max' }),
      async (steps) => {
        const source = memorySource()
        const store = await openStore({ source, log })
        const cluster: Cluster = { pods: new Map(), services: new Map(), slices: new Map(), nodes: new Map() }
        const view = (name: string): Line[] =>
          store.endpoints
            .of(`shop/${name}`)
            .ports.flatMap((port) =>
              port.endpoints.map(
                (e) =>
                  `${port.name} ${e.address}:${e.port} ${e.ready} ${e.serving} ${e.terminating} ${e.nodeName ?? ''} ${e.zone ?? ''}`,
              ),
            )
            .sort()
        // What a consumer believes that looks only at what it is told about.
        const believed = new Map<string, Line[]>()
        store.subscribe({ name: 't', kinds: [], services: true }, (changes) => {
          for (const key of changes.services) believed.set(key, view(key.slice('shop/'.length)))
        })
        store.flush()
        for (const [step, flush] of steps) {
          const object = play(step, cluster)
          if (object !== undefined) source.apply(object)
          else source.delete(kindOf[step.type], step.type === 'node' ? step.name : `shop/${step.name}`)
          if (!flush) {
            view('s1') // another reader must not swallow what this consumer has to be told
            continue
          }
          store.flush()
          for (const name of ['s1', 's2', 's3']) {
            const wanted = expected(cluster, name)
            t.deepEqual(view(name), wanted)
            t.deepEqual(believed.get(`shop/${name}`) ?? [], wanted)
          }
        }
        for (let last = 1; last <= 5; last++) {
          const address = `10.1.0.${last}`
          const having = ['s1', 's2', 's3'].filter((name) =>
            store.endpoints.of(`shop/${name}`).addresses.some((e) => e.address === address),
          )
          t.deepEqual(
            [...store.endpoints.servicesOf(address)].sort(),
            having.map((name) => `shop/${name}`),
          )
        }
        await store.close()
      },
    ),
    { seed, numRuns: 150 },
  )
})
