// Run inside a namespace: an overlay on a source that can write. Patches are applied to the Node, as an API server
// would, and printed, one JSON a line; so is what the Node says in the end.
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { parseNetConf, startOverlay } from '#cni'
import { memorySource, openStore } from '#watch'

const log = pino({ level: 'silent' })
const prefix = 'flannel.alpha.coreos.com'
let annotations: Record<string, string> = {}
let conditions: readonly unknown[] = []
const source = memorySource()
const put = (): void =>
  source.apply({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node1', annotations },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: '198.18.0.1' }], conditions },
  })
put()
const store = await openStore({ source, log })
let patches = 0
const overlay = await startOverlay({
  store,
  nodeName: 'node1',
  netConf: parseNetConf('{"Network":"10.244.0.0/16"}'),
  subnetFile: process.argv[2] ?? '',
  log,
  metrics: new Registry(),
  publish: async (patch) => {
    patches += 1
    console.log(JSON.stringify(patch))
    annotations = { ...annotations, ...patch.metadata?.annotations }
    conditions = patch.status?.conditions ?? conditions
    put()
  },
})
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 500))
while (patches < 1) await pause()
overlay.reconcile('resync')
await pause()
annotations = { ...annotations, [`${prefix}/public-ip-overwrite`]: '203.0.113.7' }
put()
while (patches < 2) await pause()
overlay.reconcile('resync')
await pause()
console.log(JSON.stringify({ patches, annotations, health: overlay.health() }))
await overlay.stop()
await store.close()
