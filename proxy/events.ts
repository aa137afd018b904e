/** Something the owner of an object should see in `kubectl describe`. */
export interface ObjectEvent {
  readonly kind: 'Service' | 'Node'
  /** namespace/name, or name */
  readonly object: string
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, kube-proxy's where it has one */
  readonly reason: string
  readonly message: string
}

/**
 * Where the proxy's Events go: the one place to connect the writing side of the watch cache to. Every event is logged, too,
 * so without a recorder nothing gets lost.
 */
export type RecordEvent = (event: ObjectEvent) => void

export const NO_EVENTS: RecordEvent = () => {}
