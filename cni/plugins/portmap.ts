import type { AttachmentKey } from '../attachment.ts'
import { mappingForFamily, readMasqueradeSources, readPortMappings } from '../nat/port-mapping.ts'
import { missingRules, type Publication, publishPod, withdrawPod } from '../nat/publish.ts'
import { RememberedPods } from '../nat/remembered.ts'
import { withdrawStalePods } from '../nat/stale.ts'
import { readValidAttachments } from '../protocol/attachments.ts'
import { podAddresses, previousResult } from '../protocol/chained.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniResult, familyOf } from '../protocol/result.ts'

/** Type `portmap`, chained after an interface plugin: publishes ports of the pod on the node. */
export const portmapPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const result = previousResult(call)
    const publication = publicationOf(call, result)
    if (publication.portMappings.length === 0) return result
    RememberedPods.of(call).remember(keyOf(call), publication)
    publishPod(keyOf(call), publication)
    return result
  },

  /** Finds the rules by their owner, so it needs neither portMappings nor prevResult. */
  async del(call: CniCall): Promise<void> {
    RememberedPods.of(call).forget(keyOf(call))
    withdrawPod(keyOf(call), [])
  },

  async gc(call: CniCall): Promise<void> {
    const isValid = readValidAttachments(call.conf.fields)
    const isStale = (key: AttachmentKey): boolean => key.network === call.conf.name && !isValid(key)
    withdrawStalePods(RememberedPods.of(call), isStale)
  },

  async check(call: CniCall): Promise<void> {
    const missing = missingRules(keyOf(call), publicationOf(call, previousResult(call)))
    if (missing !== undefined) throw new CniError(cniCodes.internal, missing)
  },
}

function publicationOf(call: CniCall, result: CniResult): Publication {
  const ips = podAddresses(call, result)
  const portMappings = readPortMappings(call.conf.fields)
  const masqueradeSources = readMasqueradeSources(call.conf.fields)
  const unused = portMappings.length > 0 && ips.length === 0
  if (unused)
    throw new CniError(cniCodes.internal, 'the previous plugin gave the pod no address to publish ports of')
  const bridge = result.interfaces.find(({ sandbox }) => !sandbox)?.name ?? ''
  const applicable = portMappings.filter((mapping) =>
    ips.some(({ address }) => mappingForFamily(mapping, familyOf(address)).applies),
  )
  return { ips, ipMasq: false, portMappings: applicable, masqueradeSources, bridge, clusterNetworks: [] }
}

function keyOf({ conf, containerID, ifname }: CniCall): AttachmentKey {
  return { network: conf.name, containerID, ifname }
}
