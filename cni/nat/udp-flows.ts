import { ConntrackSocket, RouteSocket } from '#netlink'
import { familyOf } from '../protocol/result.ts'
import { hostOf } from './elements.ts'
import type { Family } from './names.ts'
import { mappingForFamily } from './port-mapping.ts'
import type { Publication } from './publish.ts'

const udp = 17

/**
 * Forgets tracked UDP flows to host ports that go elsewhere than to this pod. A client that has sent before the port
 * was published (or while another pod had it) keeps its flow alive by sending on, and nat rules are asked for the
 * first packet of a flow only.
 */
export function forgetStaleUdpFlows({ ips, portMappings }: Publication): void {
  const mappings = portMappings.filter(({ protocol }) => protocol === 'udp')
  if (mappings.length === 0) return
  using conntrack = new ConntrackSocket()
  using host = new RouteSocket()
  const local = new Set(host.addresses().map(({ address }) => address))
  for (const family of [4, 6] as const satisfies readonly Family[]) {
    const pod = ips.find(({ address }) => familyOf(address) === family)
    if (pod === undefined) continue
    for (const mapping of mappings) {
      const { applies, hostIP } = mappingForFamily(mapping, family)
      if (!applies) continue
      const flows = conntrack.entries({
        family,
        protocol: udp,
        destination: hostIP,
        destinationPort: mapping.hostPort,
      })
      for (const flow of flows) {
        // A flow to that port of another machine only passes through here.
        if (!local.has(flow.original.destination) && !flow.original.destination.startsWith('127.')) continue
        if (flow.reply.source !== hostOf(pod.address)) conntrack.delete(flow)
      }
    }
  }
}
