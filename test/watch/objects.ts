import { pino } from 'pino'
import { type MemorySource, memorySource, openStore, type Store } from '#watch'

export const log = pino({ level: 'silent' })

type Labels = Record<string, string>

export function service(
  name: string,
  spec: object = {},
  more: { namespace?: string; uid?: string; labels?: Labels } = {},
) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', ...more },
    spec: { clusterIP: '10.96.0.7', ports: [{ port: 80, name: 'http' }], ...spec },
  }
}

export function pod(
  name: string,
  more: {
    labels?: Labels
    spec?: object
    status?: object
    metadata?: object
    ready?: boolean
    ip?: string
  } = {},
) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels: more.labels ?? { app: 'a' }, ...more.metadata },
    spec: { nodeName: 'node1', containers: [{ name: 'main' }], ...more.spec },
    status: {
      phase: 'Running',
      podIP: more.ip ?? '10.1.0.1',
      conditions: [{ type: 'Ready', status: (more.ready ?? true) ? 'True' : 'False' }],
      ...more.status,
    },
  }
}

export function slice(name: string, owner: string, endpoints: object[], more: object = {}) {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': owner } },
    ports: [{ name: 'http', port: 8080 }],
    endpoints,
    ...more,
  }
}

export function node(name: string, zone?: string) {
  const labels = zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }
}

export async function opened(...objects: unknown[]): Promise<{ source: MemorySource; store: Store }> {
  const source = memorySource()
  source.apply(...objects)
  return { source, store: await openStore({ source, log }) }
}
