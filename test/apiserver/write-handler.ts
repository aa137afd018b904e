import type { Answer } from './answer.ts'
import { type ApiState, keyOf, type ServedResource } from './api-state.ts'
import type { RequestFacts } from './faults.ts'
import type { RawObject } from './selectors.ts'

type Raw = Record<string, unknown>

/** create, update, patch and delete, with optimistic locking by resourceVersion. */
export function handleWrite(
  facts: RequestFacts,
  target: { resource: ServedResource; namespace: string; state: ApiState; answer: Answer },
  body: unknown,
): void {
  const { resource, namespace, state, answer } = target
  const collection = state.collection(resource)
  if (facts.verb === 'create') {
    const input = body as Raw & { metadata?: { name?: string; generateName?: string } }
    const { generateName = '' } = input.metadata ?? {}
    if (generateName !== '' && !/^[a-z0-9]([-a-z0-9.]*[-a-z0-9])?$/.test(generateName)) {
      answer.status(422, 'Invalid', `metadata.generateName: Invalid value: "${generateName}"`)
      return
    }
    const name = input.metadata?.name ?? `${generateName}${state.version}`
    if (collection.objects.has(keyOf(namespace, name))) {
      answer.status(409, 'AlreadyExists', `${resource.plural} "${name}" already exists`)
      return
    }
    answer.object(201, state.put(resource, { ...input, metadata: { ...input.metadata, name, namespace } }))
    return
  }
  const key = keyOf(namespace, facts.name)
  const before = collection.objects.get(key)
  if (before === undefined) {
    answer.status(404, 'NotFound', `${resource.plural} "${facts.name}" not found`)
    return
  }
  if (facts.verb === 'delete') {
    state.delete(resource, key)
    answer.object(200, { apiVersion: 'v1', kind: 'Status', status: 'Success' })
    return
  }
  const given = (body as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion
  if (given !== undefined && given !== before.metadata.resourceVersion) {
    answer.status(
      409,
      'Conflict',
      'the object has been modified; please apply your changes to the latest version',
    )
    return
  }
  const strategic = facts.contentType === 'application/strategic-merge-patch+json'
  if (strategic && !resource.protobuf) {
    answer.status(415, 'UnsupportedMediaType', 'custom resources have no strategic merge patch')
    return
  }
  const lists = strategic ? 'merged' : 'replaced'
  const changed = facts.verb === 'patch' ? (merge(before, body, lists) as RawObject) : (body as RawObject)
  // A write to the status subresource changes status only (of a Node metadata, too), any other write everything else.
  const object =
    facts.subresource === 'status'
      ? {
          ...before,
          ...(resource.kind === 'Node' ? { metadata: changed.metadata } : {}),
          status: changed['status'],
        }
      : { ...changed, ...('status' in before ? { status: before['status'] } : {}) }
  answer.object(200, state.put(resource, object))
}

/** RFC 7386, or a strategic merge patch of lists whose items are told apart by their `type` (conditions, addresses). */
function merge(target: unknown, patch: unknown, lists: 'replaced' | 'merged'): unknown {
  if (Array.isArray(patch)) return lists === 'merged' ? mergeList(target, patch as Raw[]) : patch
  if (typeof patch !== 'object' || patch === null) return patch
  const result: Raw = typeof target === 'object' && target !== null ? { ...(target as Raw) } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = merge(result[name], value, lists)
  }
  return result
}

function mergeList(target: unknown, patch: readonly Raw[]): Raw[] {
  const items = new Map((Array.isArray(target) ? (target as Raw[]) : []).map((item) => [item['type'], item]))
  for (const item of patch) items.set(item['type'], merge(items.get(item['type']), item, 'merged') as Raw)
  return [...items.values()]
}
