import type { AnyObject, Kind, KindMap } from './objects/kinds.ts'
import type { Key } from './objects/meta.ts'

/** One object appearing or changing, or going away. */
export type Change = { readonly object: AnyObject } | { readonly kind: Kind; readonly deleted: Key }

export interface StepOptions {
  /** performance.now() of the event behind it, for latency figures */
  readonly at?: number | undefined
}

export interface ReplaceOptions extends StepOptions {
  /** keys that stay as they are although no object is given for them: those whose new version is invalid */
  readonly keep?: ReadonlySet<Key> | undefined
}

/** Where a source puts what it learns. Every call is one step: readers see all of it or nothing. */
export interface Sink {
  /** Applies changes in order; of several changes to one key the last counts. */
  apply(changes: Iterable<Change>, options?: StepOptions): void
  /** Replaces everything of one kind (a relist): keys not given are deleted. */
  replace<K extends Kind>(kind: K, objects: Iterable<KindMap[K]>, options?: ReplaceOptions): void
  /** Replaces everything of several kinds in one step. */
  replaceAll(kinds: readonly Kind[], objects: Iterable<AnyObject>, options?: ReplaceOptions): void
}

/** Something wrong with what a source reads. Lines and columns count from 1. */
export interface Problem {
  /** error: something is not in effect as written; warning: read past (a kind nobody here uses) */
  readonly severity: 'error' | 'warning'
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
  /** e.g. 'Service shop/catalog' */
  readonly object?: string | undefined
  /** e.g. 'spec.ports[0].port' */
  readonly field?: string | undefined
  readonly message: string
  /** the object, for an Event about it; of an API server only */
  readonly regarding?: Regarding | undefined
}

/** What an Event is about. */
export interface Regarding {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string }
}

export interface FileStatus {
  readonly file: string
  /** degraded: a last good version stands in for (part of) it; rejected: nothing of (part of) it was ever good */
  readonly state: 'ok' | 'degraded' | 'rejected'
  /** objects in the store that come from this file */
  readonly objects: number
  readonly problems: readonly Problem[]
}

export interface SourceStatus {
  readonly source: string
  readonly synced: boolean
  readonly files: readonly FileStatus[]
  /** all problems, those of files included */
  readonly problems: readonly Problem[]
  /** false while what is served may be out of date: no connection to the API server, or a snapshot */
  readonly current?: boolean | undefined
  /** one line on where the objects come from, and what is wrong with that */
  readonly detail?: string | undefined
}

/** Delivers objects into a store: a directory of manifests, an API server, a test's memory. */
export interface Source {
  readonly name: string
  /**
   * True where no control plane stands behind the objects: then the store computes EndpointSlices
   * from Pods, mirrors Endpoints, creates missing Namespaces and allocates ClusterIPs and node ports.
   */
  readonly standalone: boolean
  /** what is read and where from: a snapshot of another scope is not used; undefined: no snapshots */
  readonly scope?: string | undefined
  /** Begins delivering; resolves after the first full sync. */
  start(sink: Sink): Promise<void>
  stop(): Promise<void>
  status(): SourceStatus
  /** Begins to deliver a kind that is only read by some, if it does not do so yet; resolves when its objects are there. */
  demand?(kind: Kind): Promise<void>
}
