import type { Service, Store } from '#watch'
import { familyOf } from '../model/bytes.ts'
import { clusterIPsOf } from '../model/frontends.ts'
import { type ProxyIdentity, whyIgnored } from '../model/handled.ts'

/** The port on which load balancers ask whether this node has endpoints of the Service, or undefined. */
export function healthCheckPortOf(service: Service, identity: ProxyIdentity): number | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort } = service.spec
  const wanted =
    type === 'LoadBalancer' &&
    externalTrafficPolicy === 'Local' &&
    whyIgnored(service, identity) === undefined
  return wanted && healthCheckNodePort > 0 ? healthCheckNodePort : undefined
}

/**
 * Ready endpoints of the Service on this node, by address, in the family of its first clusterIP. Terminating ones do not
 * count although they still serve: load balancers are to move on.
 */
export function localReadyEndpoints(store: Store, service: Service, nodeName: string): number {
  const { namespace, name } = service.metadata
  const family = familyOf(clusterIPsOf(service)[0] ?? '')
  const ready = store.endpoints
    .of(`${namespace}/${name}`)
    .ports.flatMap(({ endpoints }) => endpoints)
    .filter((endpoint) => endpoint.ready && endpoint.family === family && endpoint.nodeName === nodeName)
  return new Set(ready.map(({ address }) => address)).size
}
