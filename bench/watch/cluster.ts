// The objects of the cluster that the contenders watch, as large as real ones are.
import type { ApiServer } from '../../test/apiserver/api-server.ts'

export interface ClusterSize {
  readonly nodes: number
  readonly pods: number
  readonly services: number
  readonly endpoints: number
}

/** The sizes of the issue, divided by `share`. */
export function clusterSize(share: number): ClusterSize {
  const part = (count: number): number => Math.max(1, Math.round(count / share))
  return { nodes: part(1000), pods: part(50_000), services: part(10_000), endpoints: part(100_000) }
}

const address = (number: number): string =>
  `10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`

/** What the API server adds to every object; a list as long as kubelet's and kubectl's together. */
function managedFields(paths: number): object[] {
  const fields = Object.fromEntries(
    Array.from({ length: paths }, (_, index) => [`f:field${index}`, { '.': {}, 'f:value': {} }]),
  )
  return [
    {
      manager: 'kubectl',
      operation: 'Update',
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': fields },
    },
  ]
}

export function node(number: number): { kind: string } & Record<string, unknown> {
  const conditions = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
    type,
    status: type === 'Ready' ? 'True' : 'False',
    reason: `Kubelet${type}`,
    message: `kubelet has no problem with ${type}`,
    lastHeartbeatTime: '2026-01-01T00:00:00Z',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }))
  return {
    kind: 'Node',
    metadata: {
      name: `node-${number}`,
      labels: {
        'kubernetes.io/hostname': `node-${number}`,
        'topology.kubernetes.io/zone': `zone-${number % 3}`,
      },
      managedFields: managedFields(20),
    },
    spec: { podCIDR: `${address(number << 8)}/24`, podCIDRs: [`${address(number << 8)}/24`] },
    status: {
      addresses: [{ type: 'InternalIP', address: `172.16.${number >> 8}.${number & 255}` }],
      conditions,
      images: Array.from({ length: 20 }, (_, index) => ({
        names: [`registry.test/image-${index}:1`],
        sizeBytes: 1,
      })),
    },
  }
}

export function pod(number: number, size: ClusterSize): { kind: string } & Record<string, unknown> {
  const app = `app-${number % size.services}`
  const env = Array.from({ length: 12 }, (_, index) => ({
    name: `SETTING_${index}`,
    value: `value of setting ${index}`,
  }))
  return {
    kind: 'Pod',
    metadata: {
      name: `${app}-${number}`,
      namespace: `ns-${number % 50}`,
      labels: { app, 'pod-template-hash': '5d9c7b6f4d' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: 'u', controller: true }],
      managedFields: managedFields(24),
    },
    spec: {
      nodeName: `node-${number % size.nodes}`,
      serviceAccountName: 'default',
      containers: [
        {
          name: 'main',
          image: 'registry.test/team/app:1.2.3',
          env,
          ports: [{ name: 'http', containerPort: 8080 }],
          resources: { requests: { cpu: '100m', memory: '128Mi' } },
          volumeMounts: [
            { name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
          ],
        },
      ],
      volumes: [{ name: 'token', emptyDir: {} }],
    },
    status: {
      phase: 'Running',
      podIP: address(number),
      podIPs: [{ ip: address(number) }],
      hostIP: '172.16.0.1',
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      })),
      containerStatuses: [
        { name: 'main', ready: true, restartCount: 0, image: 'registry.test/team/app:1.2.3' },
      ],
    },
  }
}

export function service(number: number): { kind: string } & Record<string, unknown> {
  const clusterIP = `10.${96 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
  return {
    kind: 'Service',
    metadata: {
      name: `app-${number}`,
      namespace: `ns-${number % 50}`,
      labels: { app: `app-${number}` },
      managedFields: managedFields(6),
    },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      type: 'ClusterIP',
      selector: { app: `app-${number}` },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  }
}

/** The slice of a Service; `at` is written into it, and shows when a change was made: an endpoint is ready, or not any more. */
export function slice(
  number: number,
  size: ClusterSize,
  { at = 0, ready = true }: { at?: number; ready?: boolean } = {},
): { kind: string } & Record<string, unknown> {
  const count = Math.round(size.endpoints / size.services)
  return {
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    metadata: {
      name: `app-${number}-x7k2p`,
      namespace: `ns-${number % 50}`,
      labels: {
        'kubernetes.io/service-name': `app-${number}`,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      annotations: { 'bench/at': String(at) },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name: `app-${number}`, uid: 'u', controller: true },
      ],
      managedFields: managedFields(8),
    },
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: count }, (_, index) => {
      const pod = (number * count + index) % size.pods
      return {
        addresses: [address(number * count + index)],
        conditions: { ready: ready || index > 0, serving: true, terminating: false },
        nodeName: `node-${pod % size.nodes}`,
        zone: `zone-${(pod % size.nodes) % 3}`,
        targetRef: {
          kind: 'Pod',
          namespace: `ns-${number % 50}`,
          name: `app-${number}-${pod}`,
          uid: `uid-${pod}`,
        },
      }
    }),
  }
}

export function fill(server: ApiServer, size: ClusterSize): void {
  for (let number = 0; number < size.nodes; number++) server.put(node(number))
  for (let number = 0; number < size.pods; number++) server.put(pod(number, size))
  for (let number = 0; number < size.services; number++) server.put(service(number), slice(number, size))
}
