import { rmSync } from 'node:fs'
import { createNetns, deleteNetns, RouteSocket } from '#netlink'
import { findProcesses } from '../process/scan.ts'
import { terminate } from '../process/terminate.ts'

const LOOPBACK_INDEX = 1

/** Makes a Pod's network namespace afresh, with its loopback up, as a container runtime does before it calls CNI. */
export function createSandbox(netns: string): void {
  deleteNetns(netns)
  createNetns(netns)
  using socket = new RouteSocket({ netns })
  socket.setLink(LOOPBACK_INDEX, { up: true })
}

/** Ends whatever still runs in the namespace (a container's children included) and removes it; fine if it is gone. */
export async function removeSandbox(netns: string): Promise<void> {
  await terminate(findProcesses({ netns: [netns] }), { graceMs: 0 })
  deleteNetns(netns)
  rmSync(netns, { force: true })
}
