import { RouteSocket } from '#netlink'
import type { AttachmentKey } from '../attachment.ts'
import { type AddressPlan, networkText, planAddresses } from '../bridge/address-plan.ts'
import { collectGarbage } from '../bridge/garbage.ts'
import { unwirePod } from '../bridge/unwire.ts'
import { Ipam } from '../ipam.ts'
import { isOwnerDead } from '../lifetime.ts'
import { missingRules, type Publication, publishPod, withdrawPod } from '../nat/publish.ts'
import { RememberedPods } from '../nat/remembered.ts'
import { checkPodNetns, refuseOwnNetns } from '../pod-netns.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniIp, type CniResult, decodeResult, familyOf, readDns } from '../protocol/result.ts'
import { reportStatus } from '../protocol/status.ts'
import { wirePointToPoint } from '../ptp/wire.ts'
import { Attempts, undoing } from '../undo.ts'

/** Type `ptp`: a veth pair between the pod and the host, with a route to the pod and no bridge. */
export const ptpPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const { fields } = call.conf
    const key = keyOf(call)
    const ipam = ipamOf(call)
    checkPodNetns(call)
    return undoing(call, async (undo) => {
      const leased = await ipam.add()
      undo.push(() => ipam.del())
      if (leased.ips.length === 0)
        throw new CniError(cniCodes.internal, 'IPAM plugin returned missing IP config')
      const plan = planAddresses(leased, { isGateway: true, isDefaultGateway: false, interface: 1 })
      const wiring = { ...plan, routes: throughGateways(plan), mtu: fields.integer('mtu') ?? 0 }
      const { hostLink, podLink } = wirePointToPoint(key, call.netns, wiring)
      undo.push(() => unwirePod(key, call.netns))
      undo.push(() => withdrawPod(key, plan.ips.map(hostPart)))
      undo.push(() => RememberedPods.of(call).forget(key))
      RememberedPods.of(call).remember(key, publicationOf(call, plan.ips))
      publishPod(key, publicationOf(call, plan.ips))
      const dns = readDns(fields.object('dns'))
      return {
        interfaces: [
          { name: hostLink.name, mac: hostLink.mac },
          { name: podLink.name, mac: podLink.mac, sandbox: call.netns },
        ],
        ips: plan.ips,
        routes: leased.routes,
        dns: Object.keys(dns).length > 0 ? dns : leased.dns,
      }
    })
  },

  async del(call: CniCall): Promise<void> {
    refuseOwnNetns(call)
    const key = keyOf(call)
    const ipam = new Ipam(call)
    const attempts = new Attempts()
    const known = await attempts.run(() => ipam.addresses())
    const live = await attempts.run(() => unwirePod(key, call.netns))
    await attempts.run(() => RememberedPods.of(call).forget(key))
    await attempts.run(() => withdrawPod(key, [...(known ?? []), ...(live ?? [])]))
    await attempts.run(() => ipam.del())
    attempts.finish()
  },

  async check(call: CniCall): Promise<void> {
    checkPodNetns(call)
    const raw = call.conf.fields.raw('prevResult')
    if (raw === undefined) throw new CniError(cniCodes.internal, 'ptp: Required prevResult missing')
    const { ips, routes, interfaces } = decodeResult(raw, call.conf.cniVersion)
    const own = ips.filter(
      ({ interface: index }) => index === undefined || interfaces[index]?.name === call.ifname,
    )
    await ipamOf(call).check(own.map(hostPart))
    using pod = new RouteSocket({ netns: call.netns })
    const link = pod.link(call.ifname)
    if (link?.kind !== 'veth') {
      throw new CniError(cniCodes.internal, `Error: Container interface ${call.ifname} not of type veth`)
    }
    const present = pod
      .addresses({ index: link.index })
      .map((entry) => `${entry.address}/${entry.prefixLength}`)
    const lost = own.find(({ address }) => !present.includes(address))
    if (lost !== undefined) {
      throw new CniError(
        cniCodes.internal,
        `Failed to match addr ${lost.address} on interface ${call.ifname}`,
      )
    }
    const table = pod.routes({ index: link.index }).map(({ destination }) => destination)
    const gone = routes.find(({ dst }) => !table.includes(networkText(dst)))
    if (gone !== undefined) {
      throw new CniError(cniCodes.internal, `Expected Route ${gone.dst} not found in routing table`)
    }
    const missing = missingRules(keyOf(call), publicationOf(call, own))
    if (missing !== undefined) throw new CniError(cniCodes.internal, missing)
  },

  async gc(call: CniCall): Promise<void> {
    await collectGarbage(call, new Ipam(call))
  },

  async status(call: CniCall): Promise<void> {
    await reportStatus(() => ipamOf(call).status())
  },
}

/** Routes of the pod; one without a gateway of its own goes by the gateway of its family. */
function throughGateways({ ips, routes }: AddressPlan): CniResult['routes'] {
  return routes.map((route) => ({
    ...route,
    gw: route.gw ?? ips.find(({ address }) => familyOf(address) === familyOf(route.dst))?.gateway,
  }))
}

function publicationOf({ conf }: CniCall, ips: readonly CniIp[]): Publication {
  const ipMasq = conf.fields.boolean('ipMasq') ?? false
  return { ips, ipMasq, portMappings: [], bridge: '', clusterNetworks: [] }
}

function ipamOf(call: CniCall): Ipam {
  return new Ipam(call, {
    detail: { netns: call.netns },
    isDead: (record) => isOwnerDead(call.conf.name, record),
  })
}

function keyOf({ conf, containerID, ifname }: CniCall): AttachmentKey {
  return { network: conf.name, containerID, ifname }
}

function hostPart({ address }: { address: string }): string {
  return address.split('/')[0] ?? address
}
