import { timestampIn } from './common.ts'
import { define, type Field } from './field.ts'
import type { ObjectMeta, StringMap } from './meta.ts'

/** Written by `kubectl apply`, as large as the object itself and of no use here. */
export const droppedAnnotations: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
])

const namePattern = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

/** Reads `metadata`. Namespaced objects without a namespace are in `default`, as with kubectl. */
export function metadataIn(field: Field, { namespaced }: { namespaced: boolean }): ObjectMeta {
  field.requiredObject()
  const name = field.at('name').requiredString()
  if (name !== '' && (!namePattern.test(name) || name.length > 253)) {
    field.at('name').expected('lower case letters, digits, "-" and "." (RFC 1123), at most 253')
  }
  const namespace = field.at('namespace').string()
  if (namespace !== '' && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    field.at('namespace').expected('an RFC 1123 label')
  }
  return {
    namespace: namespaced ? namespace || 'default' : '',
    name,
    uid: field.at('uid').string(),
    resourceVersion: field.at('resourceVersion').string(),
    labels: field.at('labels').stringMap(),
    annotations: annotationsIn(field.at('annotations')),
    creationTimestamp: timestampIn(field.at('creationTimestamp')),
    deletionTimestamp: timestampIn(field.at('deletionTimestamp')),
  }
}

function annotationsIn(field: Field): StringMap {
  const all = field.stringMap()
  const names = Object.keys(all)
  if (!names.some((name) => droppedAnnotations.has(name))) return all
  const kept: Record<string, string> = {}
  for (const name of names) if (!droppedAnnotations.has(name)) define(kept, name, all[name] ?? '')
  return kept
}
