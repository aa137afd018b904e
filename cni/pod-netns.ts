import { existsSync } from 'node:fs'
import { netnsInode } from '#netlink'
import { CniError, cniCodes } from './protocol/errors.ts'
import type { CniCall } from './protocol/plugin.ts'

/** ADD and CHECK need the pod's namespace, and it must not be the one we run in: that would rewire the node. */
export function checkPodNetns(call: CniCall): void {
  if (!existsSync(call.netns)) {
    throw new CniError(
      cniCodes.invalidNetns,
      `failed to open netns "${call.netns}": no such file or directory`,
    )
  }
  refuseOwnNetns(call)
}

/** For DEL, which has to work without a namespace. */
export function refuseOwnNetns({ netns, netnsOverride }: CniCall): void {
  if (netns === '' || netnsOverride || !existsSync(netns)) return
  if (netnsInode(netns) !== netnsInode('/proc/self/ns/net')) return
  throw new CniError(cniCodes.invalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same")
}
