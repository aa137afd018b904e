/** Kubernetes objects for tests, as plain JSON. */

export const route = (name: string, rule: Record<string, unknown>, extra: Record<string, unknown> = {}) => ({
  apiVersion: 'apisix.apache.org/v2',
  kind: 'ApisixRoute',
  metadata: { name, namespace: 'default' },
  spec: { http: [{ name: 'rule1', ...rule }], ...extra },
})

export const service = (name: string, port: number, spec: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP: '10.96.0.9', ports: [{ name: 'http', port, protocol: 'TCP' }], ...spec },
})

export interface SliceEndpoint {
  readonly address: string
  readonly ready?: boolean
  readonly terminating?: boolean
}

export const slice = (serviceName: string, port: number, endpoints: readonly SliceEndpoint[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `${serviceName}-1`,
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': serviceName },
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', port, protocol: 'TCP' }],
  endpoints: endpoints.map(({ address, ready = true, terminating = false }) => ({
    addresses: [address],
    conditions: { ready, serving: ready, terminating },
  })),
})

export const apisixRoute = (name: string, rule: Record<string, unknown>) =>
  route(name, {
    match: { hosts: ['local.httpbin.org'], paths: ['/*'] },
    backends: [{ serviceName: 'httpbin', servicePort: 80 }],
    ...rule,
  })

export const ingress = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name: 'httpserver-ingress', namespace: 'default' },
  spec: {
    ingressClassName: 'apisix',
    rules: [
      {
        host: 'local.httpbin.org',
        http: {
          paths: [
            {
              backend: { service: { name: 'httpbin', port: { number: 80 } } },
              path: '/',
              pathType: 'Prefix',
            },
          ],
        },
      },
    ],
  },
}
