import { KINDS, type Kind } from '../objects/index.ts'

/** What a path of the Admin API names: `routes/1`, `consumers/jack/credentials/a`, `secrets/vault/1`, `routes/1/upstream/nodes`. */
export interface ObjectPath {
  readonly kind: Kind
  readonly id: string | undefined
  /** A place within the object, for PATCH. */
  readonly rest: readonly string[]
  /** Only ids with this beginning belong here (the credentials of one consumer). */
  readonly prefix: string
}

/** Takes a path below /apisix/admin (or an etcd key below its prefix) apart; undefined if there is no such resource. */
export function parsePath(path: string): ObjectPath | undefined {
  const [resource = '', id, ...rest] = path.split('/').filter((part) => part !== '')
  if (resource === 'credentials') return undefined
  if (resource === 'consumers' && id !== undefined && rest[0] === 'credentials') {
    const [, own, ...further] = rest
    const prefix = `${id}/credentials/`
    return { kind: 'credentials', id: own === undefined ? undefined : prefix + own, rest: further, prefix }
  }
  const kind = KINDS.find((one) => one === resource)
  if (kind === undefined) return undefined
  if (kind === 'secrets' && id !== undefined) {
    const [own, ...further] = rest
    const prefix = `${id}/`
    return { kind, id: own === undefined ? undefined : prefix + own, rest: further, prefix }
  }
  return { kind, id, rest, prefix: '' }
}

/** Path of an object below a prefix such as /apisix, as APISIX has it in etcd. */
export function pathOf(kind: Kind, id: string): string {
  return kind === 'credentials' ? `consumers/${id}` : `${kind}/${id}`
}

export function keyOf(kind: Kind, id: string): string {
  return `/apisix/${pathOf(kind, id)}`
}
