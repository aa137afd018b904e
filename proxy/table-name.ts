import type { Family } from './model/bytes.ts'
import type { TableRef } from './sync/batch.ts'

/** The table of a family; everything the proxy owns in the kernel is in it. */
export function tableOf(family: Family): TableRef {
  return { family: family === 4 ? 'ip' : 'ip6', table: 'plexus-proxy' }
}
