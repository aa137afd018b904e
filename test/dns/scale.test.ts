/** Memory with 50,000 Pods, listed again and again as after restarts of the API server. With PLEXUS_LONG=1. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { Type } from '../../dns/wire/index.ts'
import { waitUntil } from '../support/index.ts'
import { ask, clusterOf, serve } from './support/index.ts'

const long = process.env['PLEXUS_LONG'] === '1'
/** the short form sees that nothing of one list is kept beside the next, on a tenth of it */
const pods = long ? 50_000 : 5000
const lists = long ? 6 : 4
const namespaces = 50
const perService = 10

const address = (i: number): string => `10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`

/** Services of ten Pods each, their slices and Pods; `generation` makes every object another one. */
function* cluster(generation: number): Generator<unknown[]> {
  for (let s = 0; s < pods / perService; s += 1) {
    const namespace = `ns-${s % namespaces}`
    const members = Array.from({ length: perService }, (_, n) => s * perService + n)
    yield [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace, name: `svc-${s}`, labels: { generation: String(generation) } },
        spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
      },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          namespace,
          name: `svc-${s}-a`,
          labels: { 'kubernetes.io/service-name': `svc-${s}`, generation: String(generation) },
        },
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
        endpoints: members.map((i) => ({ addresses: [address(i)], conditions: { ready: true } })),
      },
      ...members.map((i) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name: `pod-${i}`, labels: { generation: String(generation) } },
        spec: { containers: [{ name: 'main', image: 'x' }] },
        status: { phase: 'Running', podIP: address(i), podIPs: [{ ip: address(i) }] },
      })),
    ]
  }
}

test.serial('memory stays where it is when everything is listed anew', async (t) => {
  t.timeout(600_000)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { store, source } = await clusterOf(t)
  const { port } = await serve(
    t,
    '. {\n bind 127.0.0.1\n kubernetes cluster.local in-addr.arpa {\n  pods verified\n }\n}',
    { store },
  )
  const used: number[] = []
  for (let generation = 0; generation < lists; generation += 1) {
    for (const part of cluster(generation)) source.apply(...part)
    await waitUntil(
      async () => (await ask(port, 'svc-0.ns-0.svc.cluster.local', Type.A))?.answer.length === perService,
    )
    // Rendered answers are part of what is held.
    for (let s = 0; s < 500; s += 1)
      await ask(port, `svc-${s}.ns-${s % namespaces}.svc.cluster.local`, Type.A)
    collect()
    used.push(process.memoryUsage().heapUsed / 1e6)
  }
  const [first = 0] = used
  t.log(
    `${pods} Pods: heap ${used.map(Math.round).join(', ')} MB, resident ${Math.round(process.memoryUsage().rss / 1e6)} MB`,
  )
  t.is(store.size('Pod'), pods)
  t.true((used.at(-1) ?? 0) < first * 1.15 + 10, `the heap grew: ${used.join(' ')}`)
})
