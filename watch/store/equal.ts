import { CompactObject } from '../compact/compact-object.ts'
import type { KubeObject } from '../objects/meta.ts'

/**
 * Deep equality of decoded values: plain objects, arrays, Buffers and scalars. A property that is
 * undefined equals one that is missing.
 */
export function equalValues(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b)
  if (Array.isArray(b)) return false
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
  }
  return equalProperties(a as Record<string, unknown>, b as Record<string, unknown>)
}

function equalLists(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) {
    if (!equalValues(a[index], b[index])) return false
  }
  return true
}

function equalProperties(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  ignored?: string,
): boolean {
  for (const name in a) {
    if (name !== ignored && !equalValues(a[name], b[name])) return false
  }
  for (const name in b) {
    if (name !== ignored && b[name] !== undefined && a[name] === undefined) return false
  }
  return true
}

/**
 * Whether two versions of an object say the same. resourceVersion is left out: a write that changes
 * only what we trim away is no event for anybody here. A different uid is a different object.
 */
export function sameObject(a: KubeObject | undefined, b: KubeObject | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  if (a instanceof CompactObject || b instanceof CompactObject) return sameCompact(a, b)
  const { metadata: metadataA, ...restA } = a
  const { metadata: metadataB, ...restB } = b
  return (
    equalProperties(
      metadataA as unknown as Record<string, unknown>,
      metadataB as unknown as Record<string, unknown>,
      'resourceVersion',
    ) && equalProperties(restA, restB)
  )
}

function sameCompact(a: KubeObject, b: KubeObject): boolean {
  if (a instanceof CompactObject && b instanceof CompactObject) {
    return a.kind === b.kind && equalProperties(propertiesOf(a), propertiesOf(b), 'version')
  }
  return sameObject(nested(a), nested(b))
}

function nested(object: KubeObject): KubeObject {
  return object instanceof CompactObject ? object.toJSON() : object
}

function propertiesOf(object: CompactObject): Readonly<Record<string, unknown>> {
  return object as unknown as Readonly<Record<string, unknown>>
}
