// A synthetic cluster: N Services with one TCP port and E endpoints each.
import { type EndpointSlice, mustDecode, type Service } from '#watch'

/** The clusterIP of Service number `index`. */
export function serviceAddress(index: number): string {
  return `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
}

/** Endpoint number `slot` of Service number `index`; `round` makes others of the same Service. */
export function endpointAddress(index: number, slot: number, round = 0): string {
  const host = index * 16 + slot + 1
  return `10.${128 + (host >> 16) + round * 8}.${(host >> 8) & 255}.${host & 255}`
}

const meta = (name: string) => ({
  name,
  namespace: 'load',
  uid: name,
  creationTimestamp: '2026-01-01T00:00:00Z',
})

export function serviceObject(index: number): Service {
  return mustDecode({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta(`s${index}`),
    spec: {
      type: 'ClusterIP',
      clusterIP: serviceAddress(index),
      clusterIPs: [serviceAddress(index)],
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  }) as Service
}

export function sliceObject(index: number, addresses: readonly string[]): EndpointSlice {
  const name = `s${index}`
  return mustDecode({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...meta(`${name}-a`), labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address, slot) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node${slot}`,
    })),
  }) as EndpointSlice
}

export function endpointAddresses(index: number, count: number, round = 0): string[] {
  return Array.from({ length: count }, (_, slot) => endpointAddress(index, slot, round))
}
