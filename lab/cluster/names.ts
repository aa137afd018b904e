import { createHash } from 'node:crypto'
import { LabError } from '../errors.ts'

export const NETNS_DIRECTORY = '/run/netns'

/** NAME_MAX of the kernel: a namespace is a file in /run/netns. */
const MAX_NAMESPACE_NAME = 255

/**
 * A lab's name is part of every namespace's name (`plx-<lab>-...`), and `down` finds what a crashed lab left by that
 * prefix: without a hyphen in the name no lab's prefix can be the beginning of another's.
 */
export function checkLabName(name: string): string {
  if (/^[a-z0-9]{1,24}$/.test(name)) return name
  throw new LabError(
    'LAB_NAME',
    `"${name}" cannot name a lab: use 1 to 24 lower-case letters and digits, e.g. --name demo2`,
  )
}

/** What every network namespace of a lab begins with. */
export function namespacePrefix(lab: string): string {
  return `plx-${lab}-`
}

/** Namespace of a part of the lab itself: `fabric` (the switch), `outside` (the client), or a node by its name. */
export function namespaceName(lab: string, part: string): string {
  return namespacePrefix(lab) + part
}

/** Namespace of a pod; a name too long for a file ends in a hash instead. */
export function podNamespaceName(lab: string, pod: { namespace: string; name: string }): string {
  const name = `${namespacePrefix(lab)}p-${pod.namespace}-${pod.name}`
  if (name.length <= MAX_NAMESPACE_NAME) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${name.slice(0, MAX_NAMESPACE_NAME - 17)}-${hash}`
}

/** Path of a network namespace, where `ip netns` and `nsenter --net=` find it. */
export function netnsPath(namespace: string): string {
  return `${NETNS_DIRECTORY}/${namespace}`
}
