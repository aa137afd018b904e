import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { tryFlock } from '#netlink'
import { IpamError } from './errors.ts'

const patienceMs = 60_000

/**
 * Runs `body` while holding flock(2) on `path`, the lock the reference plugin takes as well. The body is
 * synchronous, so two callers in one process never meet; while another process holds the lock we poll instead of
 * blocking, because the agent's event loop must go on.
 */
export async function withFileLock<T>(path: string, body: () => T): Promise<T> {
  const descriptor = openSync(path, 'a', 0o640)
  try {
    const deadline = performance.now() + patienceMs
    while (!tryFlock(descriptor)) {
      if (performance.now() > deadline) {
        throw new IpamError(
          'IPAM_STORE',
          `${path}: another process has held this lock for ${patienceMs / 1000} s`,
        )
      }
      await sleep(1)
    }
    return body()
  } finally {
    closeSync(descriptor)
  }
}
