import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, type ProcessIdentity, signal } from './identity.ts'

/** Waits until none of the processes runs any more; returns those that still do after `timeoutMs`. */
export async function waitGone(
  processes: readonly ProcessIdentity[],
  timeoutMs: number,
): Promise<ProcessIdentity[]> {
  const deadline = performance.now() + timeoutMs
  let left = processes.filter(isAlive)
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(10)
    left = left.filter(isAlive)
  }
  return left
}

/** SIGTERM, up to `graceMs` of patience, then SIGKILL. Resolves to the processes that even that did not end. */
export async function terminate(
  processes: readonly ProcessIdentity[],
  options: { graceMs: number; group?: boolean },
): Promise<ProcessIdentity[]> {
  const group = { group: options.group ?? false }
  for (const one of processes) signal(one, 'SIGTERM', group)
  const stubborn = await waitGone(processes, options.graceMs)
  for (const one of stubborn) signal(one, 'SIGKILL', group)
  return waitGone(stubborn, 5000)
}
