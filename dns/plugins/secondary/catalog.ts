import { asciiLower, isSubdomain, splitName, Type } from '../../wire/index.ts'
import type { Zone } from '../../zone/zone.ts'

/**
 * The member zones that a catalog zone lists: targets of PTR at `<id>.zones.<catalog>` (RFC 9432 §4.3), by name with their
 * id. Undefined unless its version is 2 (§4.2.1). A member with several targets is broken and left out (§4.1).
 */
export function catalogMembers(
  catalog: Zone,
  accepted: readonly string[],
): ReadonlyMap<string, string> | undefined {
  const version = catalog.records.filter(
    ({ name, type }) => type === Type.TXT && asciiLower(name) === `version.${catalog.origin}`,
  )
  const [only] = version
  if (version.length !== 1 || only?.kind !== 'text' || only.texts.join('') !== '2') return undefined
  const targets = new Map<string, string[]>()
  for (const record of catalog.records) {
    const owner = asciiLower(record.name)
    if (
      record.kind !== 'target' ||
      record.type !== Type.PTR ||
      !isSubdomain(owner, `zones.${catalog.origin}`)
    )
      continue
    if (splitName(owner).length !== splitName(catalog.origin).length + 2) continue
    targets.set(owner, [...(targets.get(owner) ?? []), asciiLower(record.target)])
  }
  const members = new Map<string, string>()
  for (const [owner, [name, ...more]] of targets) {
    if (name === undefined || more.length > 0) continue
    if (accepted.length > 0 && !accepted.some((zone) => isSubdomain(name, zone))) continue
    members.set(name, owner)
  }
  return members
}
