import type { FrontendKey, ServiceRules } from '../model/service-rules.ts'
import { type Elements, SETS, shapeOf } from '../model/sets.ts'
import { commentIn } from './element-codec.ts'

/** Sets whose keys begin with a frontend's. */
const OF_FRONTENDS = new Set<string>(
  [
    SETS.serviceIps,
    SETS.serviceNodePorts,
    SETS.endpoints,
    SETS.nodePortEndpoints,
    SETS.stickySlots,
    SETS.stickyNodePortSlots,
    SETS.noEndpointServices,
    SETS.noEndpointNodePorts,
    SETS.noLocalEndpointServices,
    SETS.noLocalEndpointNodePorts,
    SETS.firewallIps,
    SETS.firewallAllowed,
  ].map(({ code }) => code),
)

/**
 * The rules of a Service as an earlier proxy left them in the kernel, for one whose present version cannot be programmed; only
 * those frontends that are `free` for it. The comments of elements say whose they are; one that was cut off says nothing.
 */
export function rulesInKernel(
  service: string,
  kernel: Elements,
  isFree: (frontend: FrontendKey) => boolean,
): ServiceRules | undefined {
  const frontends = new Map<FrontendKey, Elements>()
  for (const [key, data] of kernel) {
    const comment = commentIn(shapeOf(key), data)
    const isIts = comment === service || comment?.startsWith(`${service}:`) === true
    if (isIts && isFree(key.slice(1))) frontends.set(key.slice(1), new Map())
  }
  if (frontends.size === 0) return undefined
  const targets = new Map<FrontendKey, string>()
  const shared: Elements = new Map()
  const keep = (key: string): void => {
    if (kernel.has(key)) shared.set(key, '')
  }
  const lengths = new Set([...frontends.keys()].map(({ length }) => length))
  for (const [key, data] of kernel) {
    const code = key.charAt(0)
    if (!OF_FRONTENDS.has(code)) continue
    for (const length of lengths) {
      const frontend = key.slice(1, 1 + length)
      const elements = frontends.get(frontend)
      if (elements === undefined) continue
      elements.set(key, data)
      const target = kernel.get(SETS.chains.code + data.slice(0, 4))
      if (shapeOf(key).commented && target !== undefined) targets.set(frontend, target.slice('goto '.length))
      // Protocol and port are eight bytes behind the address.
      keep(SETS.clusterIps.code + frontend.slice(0, -8))
      // An endpoint is an address and four bytes of port.
      keep(SETS.hairpin.code + data.slice(0, -4) + data.slice(0, -4))
    }
  }
  return { frontends, shared, targets, problems: [], noLocal: { internal: 0, external: 0 } }
}
