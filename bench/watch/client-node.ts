// @kubernetes/client-node's informers for the same kinds. Its package is installed beside the benchmark's other downloads.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { contend } from './contender.ts'

interface Informer {
  on(event: string, callback: (object: Slice) => void): void
  start(): Promise<void>
}

interface Slice {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly labels: Record<string, string>
    readonly annotations: Record<string, string>
  }
  readonly endpoints: readonly {
    readonly addresses: readonly string[]
    readonly conditions: { readonly ready?: boolean }
    readonly nodeName?: string
  }[]
  readonly ports: readonly { readonly name: string; readonly port: number }[]
}

/** What informers leave to those who use them: the endpoints of a Service over all its slices. */
class MergedEndpoints {
  readonly #slices = new Map<string, Map<string, Slice>>()
  readonly #merged = new Map<string, Map<string, object>>()

  put(slice: Slice): void {
    const service = `${slice.metadata.namespace}/${slice.metadata.labels['kubernetes.io/service-name']}`
    let slices = this.#slices.get(service)
    if (slices === undefined) this.#slices.set(service, (slices = new Map()))
    slices.set(slice.metadata.name, slice)
    const merged = new Map<string, object>()
    for (const { endpoints, ports } of slices.values()) {
      for (const { addresses, conditions, nodeName } of endpoints) {
        for (const { name, port } of ports) {
          const address = addresses[0]
          merged.set(`${name} ${address} ${port}`, {
            address,
            port,
            ready: conditions.ready !== false,
            nodeName,
          })
        }
      }
    }
    this.#merged.set(service, merged)
  }
}

const [kubeconfig = '', folder = ''] = process.argv.slice(2)
const entry = createRequire(join(folder, 'package.json')).resolve('@kubernetes/client-node')
const begun = performance.now()
const client = await import(pathToFileURL(entry).href)
process.send?.({ importMs: performance.now() - begun })

await contend(async (heard) => {
  const config = new client.KubeConfig()
  config.loadFromFile(kubeconfig)
  const core = config.makeApiClient(client.CoreV1Api)
  const discovery = config.makeApiClient(client.DiscoveryV1Api)
  const informers: Informer[] = [
    client.makeInformer(config, '/api/v1/nodes', () => core.listNode()),
    client.makeInformer(config, '/api/v1/pods', () => core.listPodForAllNamespaces()),
    client.makeInformer(config, '/api/v1/services', () => core.listServiceForAllNamespaces()),
    client.makeInformer(config, '/apis/discovery.k8s.io/v1/endpointslices', () =>
      discovery.listEndpointSliceForAllNamespaces(),
    ),
  ]
  for (const informer of informers) informer.on('error', (error) => console.error('informer', error))
  const merged = new MergedEndpoints()
  informers[3]?.on('add', (slice) => merged.put(slice))
  informers[3]?.on('update', (slice) => {
    merged.put(slice)
    heard(Number(slice.metadata.annotations['bench/at']))
  })
  await Promise.all(informers.map((informer) => informer.start()))
  return [informers, merged]
})
