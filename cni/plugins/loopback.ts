import { existsSync } from 'node:fs'
import { RouteSocket } from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniResult, decodeResult, emptyResult } from '../protocol/result.ts'

/** Type `loopback`: brings up the pod's `lo`, whatever CNI_IFNAME says. */
export const loopbackPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    using pod = openPod(call)
    const link = pod.link('lo')
    if (link === undefined) throw new CniError(cniCodes.internal, 'Link not found')
    if (!link.up) pod.setLink(link.index, { up: true })
    const addresses = pod.addresses({ index: link.index })
    const foreign = addresses.find(({ address }) => !address.startsWith('127.') && address !== '::1')
    if (foreign !== undefined) {
      throw new CniError(
        cniCodes.internal,
        `loopback interface found with non-loopback address "${foreign.address}/${foreign.prefixLength}"`,
      )
    }
    const previous = call.conf.fields.raw('prevResult')
    if (previous !== undefined) return decodeResult(previous, call.conf.cniVersion)
    return {
      ...emptyResult,
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: call.netns }],
      ips: addresses.map(({ address, prefixLength }) => ({
        interface: 0,
        address: `${address}/${prefixLength}`,
      })),
    }
  },

  async del(call: CniCall): Promise<void> {
    if (call.netns === '' || !existsSync(call.netns)) return
    using pod = openPod(call)
    const link = pod.link('lo')
    if (link !== undefined) pod.setLink(link.index, { up: false })
  },

  async check(call: CniCall): Promise<void> {
    using pod = openPod(call)
    if (pod.link('lo')?.up !== true) throw new CniError(cniCodes.internal, 'loopback interface is down')
  },
}

function openPod({ netns }: CniCall): RouteSocket {
  if (!existsSync(netns)) {
    throw new CniError(cniCodes.invalidNetns, `failed to open netns "${netns}": no such file or directory`)
  }
  return new RouteSocket({ netns })
}
