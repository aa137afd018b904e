import { createHash } from 'node:crypto'
import type { AnyObject } from '../objects/kinds.ts'
import type { ObjectId } from './manifest-file.ts'

/** A uid for an object that has none: the same in every process that reads the same manifest. */
export function uidFor(id: ObjectId): string {
  const hex = createHash('sha256').update(id).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** What the API server would have put into the metadata. Values the manifest gives stay. */
export function withServerMetadata(
  object: AnyObject,
  assigned: { readonly id: ObjectId; readonly resourceVersion: string; readonly creationTimestamp: string },
): AnyObject {
  const { metadata } = object
  return {
    ...object,
    metadata: {
      ...metadata,
      uid: metadata.uid || uidFor(assigned.id),
      resourceVersion: metadata.resourceVersion || assigned.resourceVersion,
      creationTimestamp: metadata.creationTimestamp ?? assigned.creationTimestamp,
    },
  } as AnyObject
}
