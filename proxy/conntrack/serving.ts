import { endpointsOfPort, type Store } from '#watch'

/**
 * `address port` of the endpoints that serve a UDP frontend of the Service, terminating ones included: policy and topology
 * decide about new connections only. Empty if the Service is gone.
 */
export function servingEndpoints(
  store: Store,
  key: string | undefined,
  frontend: { readonly address: string | undefined; readonly port: number },
): ReadonlySet<string> {
  const service = key === undefined ? undefined : store.get('Service', key)
  if (key === undefined || service === undefined) return new Set()
  const port = service.spec.ports.find(
    (candidate) =>
      candidate.protocol === 'UDP' &&
      (frontend.address === undefined ? candidate.nodePort : candidate.port) === frontend.port,
  )
  if (port === undefined) return new Set()
  const endpoints = endpointsOfPort(store.endpoints.of(key), port)
  return new Set(
    endpoints.filter(({ serving }) => serving).map(({ address, port: number }) => `${address} ${number}`),
  )
}
