import { readFileSync } from 'node:fs'
import { LabError } from '../errors.ts'
import { type PodRecord, readRecords } from '../kubelet/pod-record.ts'
import { isAlive } from '../process/identity.ts'
import { inNetns, labEnvironment } from '../process/spawn.ts'
import type { LabLayout } from './layout.ts'
import { namespaceName, netnsPath } from './names.ts'
import type { LabState } from './state.ts'

/** How to run something inside a part of the lab. */
export interface Entry {
  /** Goes before the command. */
  readonly prefix: readonly string[]
  readonly env: Record<string, string>
}

/**
 * Finds the way into a pod (`web-1` or `shop/web-1`), a node, `outside`, or `fabric` (the switch). A pod is entered through its first running
 * container: network, mounts (its own resolv.conf) and host name, with the container's environment.
 */
export function enter(layout: LabLayout, state: LabState, target: string): Entry {
  const node = state.nodes.some(({ name }) => name === target)
  if (target === 'outside' || target === 'fabric' || node) {
    // On a node, `plexus status`, `get` and `trace` ask its agent.
    const socket: Record<string, string> = node ? { PLEXUS_SOCKET: layout.node(target).agentSocket } : {}
    return {
      prefix: inNetns(netnsPath(namespaceName(layout.name, target)), []),
      env: labEnvironment(layout.name, socket),
    }
  }
  const record = findPod(layout, state, target)
  const running = Object.values(record.containers).flatMap(({ process }) =>
    process !== undefined && isAlive(process) ? [process] : [],
  )[0]
  if (running === undefined) {
    // The agent's Pod, or one between two starts: its network is there.
    return { prefix: inNetns(record.netns, []), env: labEnvironment(layout.name) }
  }
  return {
    prefix: ['nsenter', '--net', '--mount', '--uts', '--wd', '-t', String(running.pid), '--'],
    env: environmentOf(running.pid) ?? labEnvironment(layout.name),
  }
}

/** The records of all Pods that run in a lab. */
export function podRecords(layout: LabLayout, state: LabState): (PodRecord & { node: string })[] {
  return state.nodes.flatMap(({ name }) =>
    readRecords(layout.node(name).pods).map((record) => ({ ...record, node: name })),
  )
}

function findPod(layout: LabLayout, state: LabState, target: string): PodRecord {
  const records = podRecords(layout, state)
  const found = records.filter(({ namespace, name }) => target === name || target === `${namespace}/${name}`)
  const [record, second] = found
  if (record !== undefined && second === undefined) return record
  const names = (found.length > 0 ? found : records).map(({ namespace, name }) => `${namespace}/${name}`)
  throw new LabError(
    'LAB_TARGET',
    found.length > 0
      ? `"${target}" is ambiguous: say ${names.join(' or ')}`
      : `no pod "${target}" in lab ${layout.name}. There are: ${[...names, ...state.nodes.map(({ name }) => name), 'outside'].join(', ')}`,
  )
}

function environmentOf(pid: number): Record<string, string> | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
    return Object.fromEntries(
      entries.map((entry) => [entry.replace(/=.*/s, ''), entry.replace(/^[^=]*=/, '')]),
    )
  } catch {
    return undefined
  }
}
