import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ObjectChange } from '../store/change-set.ts'

/** How a controller writes what it derives. Objects of the source always win over derived ones. */
export interface DerivedWriter {
  /** Puts a derived object; does nothing where the source has an object of that key. */
  derive(object: AnyObject): void
  /** Puts an object of the source in another form (defaults filled in). */
  revise(object: AnyObject): void
  /** Takes a derived object away; does nothing if it is not a derived one (any more). */
  withdraw(kind: Kind, key: Key): void
}

/**
 * Stands in for a controller of the control plane where there is none. Told of every change of a
 * step as it happens, then asked once to put derived objects in order, still within the step.
 */
export interface Controller {
  note(kind: Kind, key: Key, change: ObjectChange<AnyObject>, derived: boolean): void
  settle(writer: DerivedWriter): void
}
