import { allResources, pathOf } from '../../watch/kubernetes/resources.ts'
import { messages } from '../../watch/kubernetes/wire/messages.ts'
import type { ServedResource } from './api-state.ts'

const known: ServedResource[] = allResources.map(({ apiVersion, kind, plural, namespaced }) => ({
  apiVersion,
  kind,
  plural,
  namespaced,
  protobuf: messages[kind] !== undefined,
}))

/** Everything the server can serve: the kinds of the store, and what is only written. */
export const servedResources: readonly ServedResource[] = [
  ...known,
  {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    plural: 'leases',
    namespaced: true,
    protobuf: false,
  },
  { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events', namespaced: true, protobuf: false },
]

export function servedKind(kind: string): ServedResource {
  const found = servedResources.find((resource) => resource.kind === kind)
  if (found === undefined) throw new Error(`the test API server has no ${kind}`)
  return found
}

export interface ParsedPath {
  readonly resource: ServedResource
  readonly namespace: string
  readonly name: string
  readonly subresource: string
}

/** `/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>/<subresource>` and shorter. */
export function parsePath(path: string): ParsedPath | undefined {
  const match =
    /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/(?:namespaces\/([^/]+)\/(?=[^/]))?([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    )
  if (match === null) return undefined
  const [, base = '', namespace = '', plural = '', name = '', subresource = ''] = match
  const find = (wanted: string): ServedResource | undefined =>
    servedResources.find((served) => pathOf(served) === `${base}/${wanted}`)
  const resource = find(plural)
  if (resource === undefined) return undefined
  return { resource, namespace, name: decodeURIComponent(name), subresource }
}
