import { readdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { deleteNetns, isNotFound, RouteSocket } from '#netlink'
import { LabError } from '../errors.ts'
import { isAlive, type ProcessIdentity, signal } from '../process/identity.ts'
import { findProcesses } from '../process/scan.ts'
import { terminate } from '../process/terminate.ts'
import type { LabLayout } from './layout.ts'
import { NETNS_DIRECTORY, namespaceName, namespacePrefix, netnsPath } from './names.ts'
import { readState } from './state.ts'
import { HOST_LINK_PREFIX, HOST_PORT } from './underlay.ts'

/** How long agents and kubelets may take to stop by themselves. */
const GRACE_MS = 5000

/** What `sweepLab` found and removed. */
export interface Swept {
  readonly processes: number
  readonly namespaces: number
  /** Agents and kubelets that did not stop on SIGTERM in time. */
  readonly killed: number
}

/** The namespaces of a lab that exist, as paths. */
export function labNamespaces(lab: string): string[] {
  let names: string[]
  try {
    names = readdirSync(NETNS_DIRECTORY)
  } catch {
    return []
  }
  return names
    .filter((name) => name.startsWith(namespacePrefix(lab)))
    .sort()
    .map(netnsPath)
}

/** Whether there is anything of a lab on this machine: namespaces, processes or files. */
export function labExists(layout: LabLayout): boolean {
  if (labNamespaces(layout.name).length > 0) return true
  try {
    return readdirSync(layout.root).length > 0
  } catch {
    return findProcesses({ lab: layout.name }).length > 0
  }
}

/**
 * Removes everything of a lab, whatever state it is in and whether or not its files can be read: processes by the
 * environment they carry and the namespaces they live in, namespaces by name, links with them.
 */
export async function sweepLab(layout: LabLayout): Promise<Swept> {
  const namespaces = labNamespaces(layout.name)
  const find = () => findProcesses({ lab: layout.name, netns: namespaces })
  const all = find()
  const own = (readState(layout)?.processes ?? []).filter(isAlive)
  // Agents and kubelets end in good order; they must be gone before the pods, which a kubelet would start again.
  for (const one of own) signal(one, 'SIGTERM')
  const killed = (await stopped(own)).length
  await killAll(find)
  removeHostLink(layout.name)
  for (const namespace of namespaces) deleteNetns(namespace)
  rmSync(layout.root, { recursive: true, force: true })
  return { processes: all.length, namespaces: namespaces.length, killed }
}

async function stopped(processes: readonly ProcessIdentity[]): Promise<ProcessIdentity[]> {
  const deadline = performance.now() + GRACE_MS
  let left = processes.filter(isAlive)
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(10)
    left = left.filter(isAlive)
  }
  for (const one of left) signal(one, 'SIGKILL')
  return left
}

async function killAll(find: () => ProcessIdentity[]): Promise<void> {
  // A process may have been starting another one while we looked: look again until there is none.
  for (let round = 0; round < 20; round++) {
    const found = find()
    if (found.length === 0) return
    await terminate(found, { graceMs: 0 })
  }
  const pids = find().map(({ pid }) => pid)
  throw new LabError('LAB_TEARDOWN', `processes that cannot be ended: ${pids.join(', ')}`)
}

/** The link into the machine's own namespace is the peer of port `host` of the fabric; it goes with either end. */
function removeHostLink(lab: string): void {
  const fabric = netnsPath(namespaceName(lab, 'fabric'))
  if (!labNamespaces(lab).includes(fabric)) return
  let peerIndex: number | undefined
  try {
    using socket = new RouteSocket({ netns: fabric })
    peerIndex = socket.link(HOST_PORT)?.peerIndex
  } catch {
    // A file that is not a namespace any more: then its links are gone as well.
    return
  }
  if (peerIndex === undefined) return
  using socket = new RouteSocket()
  const link = socket.link(peerIndex)
  if (link?.kind !== 'veth' || !link.name.startsWith(HOST_LINK_PREFIX)) return
  try {
    socket.deleteLink(link.index)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
