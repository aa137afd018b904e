import type { Fields, LeaseOwner } from '#ipam'
import { CniError, cniCodes } from './errors.ts'

/**
 * The attachments a GC call lists as alive, as a predicate. The list's absence means that the caller knows nothing of
 * GC, so nothing may be removed; null is how Go writes the empty list.
 */
export function readValidAttachments(fields: Fields): (owner: LeaseOwner) => boolean {
  const name = ['cni.dev/valid-attachments', 'cni.dev/attachments'].find((candidate) => fields.has(candidate))
  if (name === undefined) {
    throw new CniError(
      cniCodes.invalidConfig,
      'GC: "cni.dev/valid-attachments" is missing in the configuration',
    )
  }
  const entries = fields.objects(name) ?? []
  const valid = new Set(
    entries.map((entry) => `${entry.string('containerID') ?? ''}/${entry.string('ifname') ?? ''}`),
  )
  return ({ containerID, ifname }) => {
    // A lease of an ancient plugin names its container only.
    if (ifname === '') return [...valid].some((id) => id.startsWith(`${containerID}/`))
    return valid.has(`${containerID}/${ifname}`)
  }
}
