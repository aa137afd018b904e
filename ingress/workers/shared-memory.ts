import { SharedRecords, sharedBytes } from '../sharing/index.ts'

/** The descriptor a worker process finds the shared memory at, after its standard ones and the channel to the primary. */
export const MEMORY_FD = 4

/** What the processes of a gateway have in common. */
export interface SharedState {
  readonly records: SharedRecords
  /** For worker processes; undefined while there are none. */
  readonly fd: number | undefined
}

/** Memory for that many processes; that of a single one is its own. */
export async function openSharedState(processes: number): Promise<SharedState> {
  if (processes === 1) return { records: new SharedRecords(), fd: undefined }
  const { createSharedMemory, mapSharedMemory } = await import('#netlink/shared-memory')
  const fd = createSharedMemory('plexus-gateway', sharedBytes())
  return { records: new SharedRecords(mapSharedMemory(fd, sharedBytes())), fd }
}

/** In a worker: the memory of its primary. */
export async function joinSharedState(process: number): Promise<SharedRecords> {
  const { mapSharedMemory } = await import('#netlink/shared-memory')
  return new SharedRecords(mapSharedMemory(MEMORY_FD, sharedBytes()), { process })
}
