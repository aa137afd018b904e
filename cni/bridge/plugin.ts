import type { AttachmentKey } from '../attachment.ts'
import { Ipam } from '../ipam.ts'
import { isOwnerDead } from '../lifetime.ts'
import { publishPod, withdrawPod } from '../nat/publish.ts'
import { RememberedPods } from '../nat/remembered.ts'
import { checkPodNetns, refuseOwnNetns } from '../pod-netns.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniResult, emptyResult } from '../protocol/result.ts'
import { refuseWithoutOverlay, reportStatus } from '../protocol/status.ts'
import { compareVersions } from '../protocol/version.ts'
import { shapePod, unshapePod } from '../shaping/shape.ts'
import { Attempts, undoing } from '../undo.ts'
import { type AddressPlan, planAddresses } from './address-plan.ts'
import { checkPod } from './check.ts'
import { type BridgeConfiguration, readBridgeConfiguration } from './configuration.ts'
import { collectGarbage } from './garbage.ts'
import { checkSpoofing, endSpoofCheck } from './spoof-check.ts'
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
    return undoing(call, async (undo) => {
      let plan: AddressPlan = { ips: [], routes: [], gateways: [] }
      let leased: CniResult = emptyResult
      if (ipam.present) {
        leased = await ipam.add()
        undo.push(() => ipam.del())
        if (leased.ips.length === 0)
          throw new CniError(cniCodes.internal, 'IPAM plugin returned missing IP config')
        plan = planAddresses(leased, { ...conf, interface: podInterface })
      }
      const { bridge, hostLink, podLink, gatewayLink } = wirePod(key, call.netns, plan, conf)
      undo.push(() => unwirePod(key, call.netns))
      undo.push(() => withdrawPod(key, plan.ips.map(hostPart)))
      const publication = { ips: plan.ips, ...conf }
      undo.push(() => RememberedPods.of(call).forget(key))
      RememberedPods.of(call).remember(key, publication)
      publishPod(key, publication)
      if (conf.macSpoofCheck) {
        undo.push(() => endSpoofCheck(key))
        checkSpoofing(key, hostLink.name, podLink.mac)
      }
      undo.push(() => unshapePod(key))
      const shaper = conf.bandwidth === undefined ? undefined : shapePod(key, hostLink, conf.bandwidth)
      if (!conf.disableContainerInterface) await waitUntilForwarding(hostLink.name)
      return {
        interfaces: [
          { name: bridge.name, mac: bridge.mac },
          { name: hostLink.name, mac: hostLink.mac },
          { name: podLink.name, mac: podLink.mac, sandbox: call.netns },
          ...(gatewayLink === undefined ? [] : [{ name: gatewayLink.name, mac: gatewayLink.mac }]),
          ...(shaper === undefined ? [] : [{ name: shaper.name, mac: shaper.mac }]),
        ],
        ips: plan.ips,
        routes: plan.routes,
        dns: Object.keys(conf.dns).length > 0 ? conf.dns : leased.dns,
      }
    })
  }

  /** Best effort and repeatable: whatever is gone already is fine, the address is given back last. */
  async del(call: CniCall): Promise<void> {
    refuseOwnNetns(call)
    const key = keyOf(call)
    const ipam = new Ipam(call)
    const attempts = new Attempts()
    const known = await attempts.run(() => ipam.addresses())
    const [live] = await Promise.all([
      attempts.run(() => unwirePod(key, call.netns)),
      this.#isPlexus ? attempts.run(() => unshapePod(key)) : undefined,
    ])
    await attempts.run(() => RememberedPods.of(call).forget(key))
    await attempts.run(() => withdrawPod(key, [...(known ?? []), ...(live ?? [])]))
    await attempts.run(() => endSpoofCheck(key))
    await attempts.run(() => ipam.del())
    attempts.finish()
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
    await reportStatus(async () => {
      const conf = this.#configuration(call)
      await new Ipam(call, ipamOptions(call, conf)).status()
      if (conf.nodeSubnet !== undefined) refuseWithoutOverlay(call)
    })
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
    isDead: (record) => isOwnerDead(call.conf.name, record),
  }
}

function hostPart({ address }: { address: string }): string {
  return address.split('/')[0] ?? address
}
