/** A value as JSON carries it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [name: string]: Json
}

/** Labels, selectors, annotations. */
export type StringMap = Readonly<Record<string, string>>

export type Protocol = 'TCP' | 'UDP' | 'SCTP'
export type IPFamily = 'IPv4' | 'IPv6'

/** A port given by number or by name. */
export type IntOrString = number | string

/** `metadata` of an object, trimmed. `namespace` is '' for cluster-scoped objects. */
export interface ObjectMeta {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: StringMap
  readonly annotations: StringMap
  /** RFC 3339 */
  readonly creationTimestamp?: string | undefined
  /** RFC 3339; present while the object is being deleted */
  readonly deletionTimestamp?: string | undefined
}

/** What every stored object has. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

/** 'namespace/name', or 'name' for cluster-scoped objects. */
export type Key = string

/** The key of an object in its kind's map. */
export function keyOf(object: {
  readonly key?: Key
  readonly metadata: { readonly namespace: string; readonly name: string }
}): Key {
  // Objects in compact form have theirs at hand.
  if (object.key !== undefined) return object.key
  const { namespace, name } = object.metadata
  return namespace === '' ? name : `${namespace}/${name}`
}

/** The key of a namespaced object by its parts. */
export function keyFrom(namespace: string, name: string): Key {
  return namespace === '' ? name : `${namespace}/${name}`
}

/** metav1.LabelSelector. An empty selector matches everything. */
export interface LabelSelector {
  readonly matchLabels: StringMap
  readonly matchExpressions: readonly LabelExpression[]
}

export interface LabelExpression {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

export interface ObjectReference {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** metav1.Condition and its relatives. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime?: string | undefined
}
