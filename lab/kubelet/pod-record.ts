import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Pod } from '#watch'
import { writeFileAtomically } from '../cluster/state.ts'
import type { ProcessIdentity } from '../process/identity.ts'

/** What runs for a Pod, on disk: a restarted kubelet adopts it, `lab exec` and `lab status` read it. */
export interface PodRecord {
  readonly namespace: string
  readonly name: string
  /** Changes when the Pod must be made anew. */
  readonly specHash: string
  readonly hostNetwork: boolean
  readonly netns: string
  /** Container ID of the sandbox, as CNI got it. */
  readonly sandboxId: string
  readonly podIPs: readonly string[]
  /** RFC 3339. */
  readonly startTime: string
  readonly containers: Readonly<Record<string, ContainerRecord>>
}

export interface ContainerRecord {
  /** Absent while it is not running, and for the agent's Pod, which the lab starts. */
  readonly process?: ProcessIdentity
  readonly restarts: number
  /** As last published: an adopted container stays ready until a probe says otherwise. */
  readonly ready: boolean
}

/** A Pod is recreated when its spec changes; labels and annotations may change while it runs. */
export function specHash(pod: Pod): string {
  return createHash('sha256').update(JSON.stringify(pod.spec)).digest('hex').slice(0, 16)
}

function recordFile(directory: string, pod: { namespace: string; name: string }): string {
  return path.join(directory, `${pod.namespace}.${pod.name}.json`)
}

export function writeRecord(directory: string, record: PodRecord): void {
  writeFileAtomically(recordFile(directory, record), `${JSON.stringify(record, null, 2)}\n`)
}

export function removeRecord(directory: string, pod: { namespace: string; name: string }): void {
  rmSync(recordFile(directory, pod), { force: true })
}

/** All records of a node; damaged ones are left out (their Pods are made anew). */
export function readRecords(directory: string): PodRecord[] {
  mkdirSync(directory, { recursive: true })
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json') && !file.startsWith('.'))
    .sort()
    .flatMap((file) => {
      try {
        const record = JSON.parse(readFileSync(path.join(directory, file), 'utf8')) as PodRecord
        return typeof record.netns === 'string' && typeof record.containers === 'object' ? [record] : []
      } catch {
        return []
      }
    })
}
