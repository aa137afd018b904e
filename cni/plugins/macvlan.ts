import { type Link, RouteSocket } from '#netlink'
import { planAddresses } from '../bridge/address-plan.ts'
import { readMac } from '../bridge/configuration.ts'
import { configurePodInterface } from '../bridge/pod-interface.ts'
import { openIfAlive } from '../bridge/unwire.ts'
import { Ipam } from '../ipam.ts'
import { removeLinks } from '../link-removal.ts'
import { checkPodNetns, refuseOwnNetns } from '../pod-netns.ts'
import { readValidAttachments } from '../protocol/attachments.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniResult, decodeResult, emptyResult, readDns } from '../protocol/result.ts'
import { reportStatus } from '../protocol/status.ts'
import { Attempts, undoing } from '../undo.ts'

const modes = ['bridge', 'private', 'vepa', 'passthru'] as const
type Mode = (typeof modes)[number]

/** Type `macvlan`: an interface of its own on a device of the host (or, with linkInContainer, of the pod). */
export const macvlanPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const mode = readMode(call)
    const ipam = ipamOf(call)
    checkPodNetns(call)
    return undoing(call, async (undo) => {
      const link = create(call, mode)
      undo.push(() => removePodLink(call))
      const entry = { name: call.ifname, mac: link.mac, sandbox: call.netns }
      if (!ipam.present)
        return { ...emptyResult, interfaces: [entry], dns: readDns(call.conf.fields.object('dns')) }
      const leased = await ipam.add()
      undo.push(() => ipam.del())
      if (leased.ips.length === 0) throw failed('IPAM plugin returned missing IP config')
      const plan = planAddresses(leased, { isGateway: false, isDefaultGateway: false, interface: 0 })
      using pod = new RouteSocket({ netns: call.netns })
      configurePodInterface(pod, call.netns, link, plan, { enableDad: false, loopback: false })
      const dns = readDns(call.conf.fields.object('dns'))
      return {
        interfaces: [entry],
        ips: plan.ips,
        routes: plan.routes,
        dns: Object.keys(dns).length > 0 ? dns : leased.dns,
      }
    })
  },

  async del(call: CniCall): Promise<void> {
    refuseOwnNetns(call)
    const attempts = new Attempts()
    await attempts.run(() => removePodLink(call))
    await attempts.run(() => new Ipam(call).del())
    attempts.finish()
  },

  async check(call: CniCall): Promise<void> {
    checkPodNetns(call)
    const raw = call.conf.fields.raw('prevResult')
    if (raw === undefined) throw failed('Required prevResult missing')
    const { ips } = decodeResult(raw, call.conf.cniVersion)
    const ipam = ipamOf(call)
    if (ipam.present) await ipam.check(ips.map(({ address }) => address.split('/')[0] ?? ''))
    using pod = new RouteSocket({ netns: call.netns })
    const link = pod.link(call.ifname)
    if (link?.kind !== 'macvlan')
      throw failed(`Error: Container interface ${call.ifname} not of type macvlan`)
    const present = pod
      .addresses({ index: link.index })
      .map((entry) => `${entry.address}/${entry.prefixLength}`)
    const lost = ips.find(({ address }) => !present.includes(address))
    if (lost !== undefined) throw failed(`Failed to match addr ${lost.address} on interface ${call.ifname}`)
  },

  async gc(call: CniCall): Promise<void> {
    // The interfaces are gone with their namespaces: what can leak is addresses.
    await new Ipam(call).gc(readValidAttachments(call.conf.fields))
  },

  async status(call: CniCall): Promise<void> {
    await reportStatus(async () => {
      readMode(call)
      if (call.conf.fields.boolean('linkInContainer') !== true) {
        using host = new RouteSocket()
        findMaster(call, host)
      }
      await ipamOf(call).status()
    })
  },
}

/** Born in the pod's namespace under its final name. */
function create(call: CniCall, mode: Mode): Link {
  const { fields } = call.conf
  const inside = fields.boolean('linkInContainer') ?? false
  using pod = new RouteSocket({ netns: call.netns })
  using host = inside ? new RouteSocket({ netns: call.netns }) : new RouteSocket()
  if (pod.link(call.ifname) !== undefined) throw failed(`container interface ${call.ifname} already exists`)
  const master = findMaster(call, host)
  const mtu = fields.integer('mtu') || master.mtu
  if (mtu < 0 || mtu > master.mtu) throw failed(`invalid MTU ${mtu}, must be [0, master MTU(${master.mtu})]`)
  const mac = readMac(fields, call.args)
  host.addLink({
    name: call.ifname,
    kind: 'macvlan',
    mtu,
    ...(mac === undefined ? {} : { mac }),
    ...(inside ? {} : { netns: call.netns }),
    macvlan: { link: master.index, mode, broadcastQueueLength: fields.integer('bcqueuelen') || undefined },
  })
  const link = pod.link(call.ifname)
  if (link === undefined) throw failed(`failed to create macvlan: ${call.ifname} vanished at once`)
  pod.setLink(link.index, { up: true })
  return link
}

/** The device named by `master`, else the one the default route goes by. */
function findMaster({ conf }: CniCall, socket: RouteSocket): Link {
  const name = conf.fields.string('master') ?? ''
  if (name !== '') {
    const link = socket.link(name)
    if (link === undefined) throw failed(`failed to lookup master "${name}": Link not found`)
    return link
  }
  const route = socket
    .routes({ family: 4, table: 254 })
    .find(({ destination, index }) => destination === '0.0.0.0/0' && index !== undefined)
  const link = route?.index === undefined ? undefined : socket.link(route.index)
  if (link === undefined) throw failed('no default route interface found: set "master"')
  return link
}

function readMode({ conf: { fields } }: CniCall): Mode {
  const text = fields.string('mode') || 'bridge'
  const mode = modes.find((candidate) => candidate === text)
  if (mode === undefined) throw failed(`unknown macvlan mode: "${text}"`)
  return mode
}

async function removePodLink({ netns, ifname }: CniCall): Promise<void> {
  using pod = openIfAlive(netns)
  const link = pod?.link(ifname)
  if (pod !== undefined && link?.kind === 'macvlan') await removeLinks(pod, [link.index], { netns })
}

/** Nothing in the host tells whether an owner lives, so a lease is taken back by DEL, GC and reboot only. */
function ipamOf(call: CniCall): Ipam {
  return new Ipam(call, { detail: { netns: call.netns } })
}

function failed(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}
