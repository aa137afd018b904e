// @kubernetes/client-node's informers for the same kinds. Its package is installed beside the benchmark's other downloads.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { contend } from './contender.ts'

interface Informer {
  on(event: string, callback: (object: { metadata?: { annotations?: Record<string, string> } }) => void): void
  start(): Promise<void>
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
  informers[3]?.on('update', ({ metadata }) => heard(Number(metadata?.annotations?.['bench/at'])))
  await Promise.all(informers.map((informer) => informer.start()))
  return informers
})
