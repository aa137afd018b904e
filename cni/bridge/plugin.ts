import { existsSync } from 'node:fs'
import type { OwnerRecord } from '#ipam'
import { netnsInode, RouteSocket } from '#netlink'
import { type AttachmentKey, findHostLink } from '../attachment.ts'
import { Ipam } from '../ipam.ts'
import { publishPod, withdrawPod } from '../nat/publish.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniResult, emptyResult } from '../protocol/result.ts'
import { compareVersions } from '../protocol/version.ts'
import { shapePod, unshapePod } from '../shaping/shape.ts'
import { type AddressPlan, planAddresses } from './address-plan.ts'
import { checkPod } from './check.ts'
import { type BridgeConfiguration, readBridgeConfiguration } from './configuration.ts'
import { collectGarbage } from './garbage.ts'
import { unwirePod } from './unwire.ts'
import { waitUntilForwarding, wirePod } from './wire.ts'

/** Position of the pod's interface in the result: bridge, host end, pod end. */
const podInterface = 2

/** Types `bridge` and `plexus`: a veth pair from a Linux bridge into the pod. */
export class BridgePlugin implements Plugin {
  readonly #isPlexus: boolean

  constructor({ isPlexus }: { isPlexus: boolean }) {
    this.#isPlexus = isPlexus
  }

  async add(call: CniCall): Promise<CniResult> {
    const conf = this.#configuration(call)
    const key = keyOf(call)
    const ipam = new Ipam(call, ipamOptions(call, conf))
    if (!ipam.present && compareVersions(call.conf.cniVersion, '0.3.0') < 0) {
      // Such a result has no room for an interface without addresses; say so before anything is made.
      throw new CniError(cniCodes.internal, 'cannot convert: no valid IP addresses')
    }
    checkPodNetns(call)
    const undo: (() => unknown)[] = []
    try {
      let plan: AddressPlan = { ips: [], routes: [], gateways: [] }
      let leased: CniResult = emptyResult
      if (ipam.present) {
        leased = await ipam.add()
        undo.push(() => ipam.del())
        if (leased.ips.length === 0)
          throw new CniError(cniCodes.internal, 'IPAM plugin returned missing IP config')
        plan = planAddresses(leased, { ...conf, interface: podInterface })
      }
      const { bridge, hostLink, podLink } = wirePod(key, call.netns, plan, conf)
      undo.push(() => unwirePod(key, call.netns))
      undo.push(() => withdrawPod(key, plan.ips.map(hostPart)))
      publishPod(key, { ips: plan.ips, ...conf })
      undo.push(() => unshapePod(key))
      const shaper = conf.bandwidth === undefined ? undefined : shapePod(key, hostLink, conf.bandwidth)
      if (!conf.disableContainerInterface) await waitUntilForwarding(hostLink.name)
      return {
        interfaces: [
          { name: bridge.name, mac: bridge.mac },
          { name: hostLink.name, mac: hostLink.mac },
          { name: podLink.name, mac: podLink.mac, sandbox: call.netns },
          ...(shaper === undefined ? [] : [{ name: shaper.name, mac: shaper.mac }]),
        ],
        ips: plan.ips,
        routes: plan.routes,
        dns: Object.keys(conf.dns).length > 0 ? conf.dns : leased.dns,
      }
    } catch (error) {
      for (const step of undo.reverse()) {
        try {
          await step()
        } catch (failure) {
          call.log?.error(
            { err: failure, object: `container ${call.containerID}` },
            'CNI ADD: could not undo a step',
          )
        }
      }
      throw error
    }
  }

  /** Best effort and repeatable: whatever is gone already is fine, the address is given back last. */
  async del(call: CniCall): Promise<void> {
    refuseOwnNetns(call)
    const key = keyOf(call)
    const ipam = new Ipam(call)
    const problems: unknown[] = []
    const known = await attempt(problems, () => ipam.addresses())
    const [live] = await Promise.all([
      attempt(problems, () => unwirePod(key, call.netns)),
      this.#isPlexus ? attempt(problems, () => unshapePod(key)) : undefined,
    ])
    await attempt(problems, () => withdrawPod(key, [...(known ?? []), ...(live ?? [])]))
    await attempt(problems, () => ipam.del())
    if (problems.length > 0) throw problems[0]
  }

  async check(call: CniCall): Promise<void> {
    const conf = this.#configuration(call)
    checkPodNetns(call)
    await checkPod(call, keyOf(call), conf, new Ipam(call, ipamOptions(call, conf)))
  }

  async gc(call: CniCall): Promise<void> {
    await collectGarbage(call, new Ipam(call), call.conf.fields.string('bridge') || 'cni0')
  }

  async status(call: CniCall): Promise<void> {
    try {
      const conf = this.#configuration(call)
      await new Ipam(call, ipamOptions(call, conf)).status()
    } catch (error) {
      if (
        error instanceof CniError &&
        [cniCodes.notAvailable, cniCodes.limitedConnectivity].includes(error.code as 50 | 51)
      ) {
        throw error
      }
      const reason = error instanceof Error ? error.message : String(error)
      throw new CniError(cniCodes.notAvailable, reason, { cause: error })
    }
  }

  #configuration(call: CniCall): BridgeConfiguration {
    return readBridgeConfiguration(call, { isPlexus: this.#isPlexus })
  }
}

function keyOf({ conf, containerID, ifname }: CniCall): AttachmentKey {
  return { network: conf.name, containerID, ifname }
}

function ipamOptions(call: CniCall, conf: BridgeConfiguration): ConstructorParameters<typeof Ipam>[1] {
  const { nodeSubnet } = conf
  return {
    defaultRanges:
      nodeSubnet === undefined ? undefined : () => nodeSubnet.subnets.map((subnet) => [{ subnet }]),
    detail: { netns: call.netns },
    isDead: (record) => isDead(call.conf.name, record),
  }
}

/**
 * True if a lease's owner certainly is no more: its namespace's path is gone, and so is the host's end of its veth
 * pair, which the kernel keeps as long as the namespace lives.
 */
function isDead(network: string, { containerID, ifname, evidence }: OwnerRecord): boolean {
  const netns = evidence?.detail?.['netns']
  if (netns === undefined || existsSync(netns)) return false
  using host = new RouteSocket()
  return findHostLink(host, { network, containerID, ifname }) === undefined
}

/** ADD and CHECK need the pod's namespace, and it must not be the one we run in: that would rewire the node. */
function checkPodNetns(call: CniCall): void {
  if (!existsSync(call.netns)) {
    throw new CniError(
      cniCodes.invalidNetns,
      `failed to open netns "${call.netns}": no such file or directory`,
    )
  }
  refuseOwnNetns(call)
}

function refuseOwnNetns({ netns, netnsOverride }: CniCall): void {
  if (netns === '' || netnsOverride || !existsSync(netns)) return
  if (netnsInode(netns) !== netnsInode('/proc/self/ns/net')) return
  throw new CniError(cniCodes.invalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same")
}

async function attempt<T>(problems: unknown[], body: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await body()
  } catch (error) {
    problems.push(error)
    return undefined
  }
}

function hostPart({ address }: { address: string }): string {
  return address.split('/')[0] ?? address
}
