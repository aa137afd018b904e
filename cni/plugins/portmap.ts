import type { AttachmentKey } from '../attachment.ts'
import { mappingForFamily, readPortMappings } from '../nat/port-mapping.ts'
import { missingRules, type Publication, publishPod, withdrawPod } from '../nat/publish.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniIp, type CniResult, decodeResult, familyOf } from '../protocol/result.ts'

/** Type `portmap`, chained after an interface plugin: publishes ports of the pod on the node. */
export const portmapPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const result = previousResult(call)
    const publication = publicationOf(call, result)
    if (publication.portMappings.length > 0) publishPod(keyOf(call), publication)
    return result
  },

  /** Finds the rules by their owner, so it needs neither portMappings nor prevResult. */
  async del(call: CniCall): Promise<void> {
    withdrawPod(keyOf(call), [])
  },

  async check(call: CniCall): Promise<void> {
    const missing = missingRules(keyOf(call), publicationOf(call, previousResult(call)))
    if (missing !== undefined) throw new CniError(cniCodes.internal, missing)
  },
}

function previousResult({ conf }: CniCall): CniResult {
  const raw = conf.fields.raw('prevResult')
  if (raw === undefined) throw new CniError(cniCodes.internal, 'must be called as chained plugin')
  return decodeResult(raw, conf.cniVersion)
}

/** The first address of each family in the pod, as the reference plugin picks them. */
function publicationOf(call: CniCall, result: CniResult): Publication {
  const inPod = result.ips.filter(({ interface: index }) => {
    const link = index === undefined ? undefined : result.interfaces[index]
    return link === undefined || (Boolean(link.sandbox) && link.name === call.ifname)
  })
  const ips = ([4, 6] as const)
    .map((family) => inPod.find(({ address }) => familyOf(address) === family))
    .filter((ip): ip is CniIp => ip !== undefined)
  const portMappings = readPortMappings(call.conf.fields)
  const unused = portMappings.length > 0 && ips.length === 0
  if (unused)
    throw new CniError(cniCodes.internal, 'the previous plugin gave the pod no address to publish ports of')
  const bridge = result.interfaces.find(({ sandbox }) => !sandbox)?.name ?? ''
  const applicable = portMappings.filter((mapping) =>
    ips.some(({ address }) => mappingForFamily(mapping, familyOf(address)).applies),
  )
  return { ips, ipMasq: false, portMappings: applicable, bridge, clusterNetworks: [] }
}

function keyOf({ conf, containerID, ifname }: CniCall): AttachmentKey {
  return { network: conf.name, containerID, ifname }
}
