import { decodeObject } from '../objects/decode.ts'
import { Field, type FieldProblem } from '../objects/field.ts'
import { type AnyObject, type Kind, kindFacts } from '../objects/kinds.ts'
import { type Key, keyOf } from '../objects/meta.ts'

/** A status to lay over an object, as a PATCH of its status subresource would. */
export interface StatusPatch {
  readonly kind: Kind
  readonly key: Key
  /** '' or the uid of the object it is meant for */
  readonly uid: string
  readonly status: object
}

type PatchDecoded =
  | { readonly outcome: 'patch'; readonly patch: StatusPatch }
  | { readonly outcome: 'unknown'; readonly message: string }
  | { readonly outcome: 'invalid'; readonly problems: readonly FieldProblem[] }

/** `web.status.yaml`, `web.status.yml`, `web.status.json` */
export function isStatusFile(path: string): boolean {
  return /\.status\.(ya?ml|json)$/.test(path)
}

/** The least spec each kind needs to be valid: a status is checked as the status of such an object. */
const leastSpec: Partial<Record<Kind, object>> = {
  Node: {},
  Namespace: {},
  Pod: { containers: [{ name: 'any' }] },
  Service: { ports: [{ port: 1 }] },
  Ingress: { defaultBackend: { service: { name: 'any', port: { number: 1 } } } },
}

/** Reads a document of a status file; anything but identity and status is left aside. */
export function statusPatchIn(raw: unknown): PatchDecoded {
  const problems: FieldProblem[] = []
  const root = Field.root(raw, problems).requiredObject()
  const status = root.at('status').requiredObject()
  const kind = root.at('kind').requiredString() as Kind
  if (problems.length > 0) return { outcome: 'invalid', problems }
  const spec = Object.hasOwn(kindFacts, kind) ? leastSpec[kind] : undefined
  if (spec === undefined) return { outcome: 'unknown', message: `a status of ${kind} is not used by Plexus` }
  const identity = { apiVersion: root.at('apiVersion').value ?? kindFacts[kind].apiVersions[0], kind }
  const decoded = decodeObject({
    ...identity,
    metadata: root.at('metadata').value,
    spec,
    status: status.value,
  })
  if (decoded.outcome !== 'object') return decoded
  const { object } = decoded
  return {
    outcome: 'patch',
    patch: { kind, key: keyOf(object), uid: object.metadata.uid, status: status.value as object },
  }
}

/** The object with the status laid over it: fields given replace those of the object's own status. */
export function patchStatus(raw: object, patch: StatusPatch): AnyObject | readonly FieldProblem[] {
  const own = 'status' in raw && typeof raw.status === 'object' ? raw.status : {}
  const decoded = decodeObject({ ...raw, status: { ...own, ...patch.status } })
  if (decoded.outcome === 'object') return decoded.object
  return decoded.outcome === 'invalid' ? decoded.problems : []
}
