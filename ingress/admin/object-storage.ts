import type { ObjectChange } from '../objects/index.ts'

export interface CommitOptions {
  /** Seconds after which the object goes by itself. */
  readonly ttl?: number | undefined
  /** The write holds only if the object's modifiedIndex is still this one (PATCH); 0 for an object that must not be there. */
  readonly expected?: number | undefined
}

export interface Committed {
  /** Id of the lease that ends an object with a ttl. */
  readonly lease?: string | undefined
}

/** Somebody else changed the object in between. */
export class ConflictError extends Error {
  readonly code = 'GW_CONFLICT'
}

/** Objects are not changed one by one where they are kept. */
export class ReadOnlyError extends Error {
  readonly code = 'GW_READ_ONLY'
}

/**
 * Where the objects of the Admin API are kept. `commit` makes a change durable and then visible in the catalogue; it rejects
 * if the change did not become durable.
 */
export interface ObjectStorage {
  /** Why it does not follow what is kept elsewhere; undefined while it does. */
  readonly problem?: string | undefined
  commit(change: ObjectChange, options?: CommitOptions): Promise<Committed>
  close(): Promise<void>
}
