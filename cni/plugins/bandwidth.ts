import { type Link, RouteSocket } from '#netlink'
import type { AttachmentKey } from '../attachment.ts'
import { previousResult } from '../protocol/chained.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import type { CniResult } from '../protocol/result.ts'
import { compareVersions } from '../protocol/version.ts'
import { readBandwidth } from '../shaping/limits.ts'
import { missingShaping, shapePod, unshapePod } from '../shaping/shape.ts'

/** Type `bandwidth`, chained after an interface plugin: limits what a pod sends and receives. */
export const bandwidthPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const limits = readBandwidth(call.conf.fields)
    const result = previousResult(call)
    if (limits === undefined) return result
    if (compareVersions(call.conf.cniVersion, '0.3.0') < 0) {
      throw new CniError(cniCodes.incompatibleVersion, 'incompatible CNI versions', {
        details: `config is "${call.conf.cniVersion}", plugin bandwidth needs 0.3.0 or newer: older results name no interfaces`,
      })
    }
    const key = keyOf(call)
    const device = shapePod(key, findHostEnd(call, result), limits)
    if (device === undefined) return result
    return { ...result, interfaces: [...result.interfaces, { name: device.name, mac: device.mac }] }
  },

  async del(call: CniCall): Promise<void> {
    await unshapePod(keyOf(call))
  },

  async check(call: CniCall): Promise<void> {
    const limits = readBandwidth(call.conf.fields)
    const result = previousResult(call)
    if (limits === undefined) return
    const missing = missingShaping(keyOf(call), findHostEnd(call, result), limits)
    if (missing !== undefined) throw new CniError(cniCodes.internal, missing)
  },
}

/** The interface of prevResult in the host that is the peer of the pod's one. */
function findHostEnd({ netns, ifname }: CniCall, { interfaces }: CniResult): Link {
  using pod = new RouteSocket({ netns })
  const podLink = pod.link(ifname)
  if (podLink === undefined)
    throw new CniError(cniCodes.internal, `failed to lookup "${ifname}": Link not found`)
  using host = new RouteSocket()
  for (const { name, sandbox } of interfaces) {
    if (sandbox) continue
    const link = host.link(name)
    if (link?.kind === 'veth' && link.index === podLink.peerIndex && link.peerIndex === podLink.index)
      return link
  }
  throw new CniError(cniCodes.internal, 'no host interface found', {
    details: 'bandwidth is limited on the host end of a veth pair, and prevResult names none',
  })
}

function keyOf({ conf, containerID, ifname }: CniCall): AttachmentKey {
  return { network: conf.name, containerID, ifname }
}
