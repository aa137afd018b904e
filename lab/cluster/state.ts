import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ProcessIdentity } from '../process/identity.ts'
import type { LabLayout } from './layout.ts'

/** A process of the lab that is not in a pod. */
export interface LabProcess extends ProcessIdentity {
  readonly role: 'agent' | 'kubelet' | 'upstream-dns' | 'outside-app'
  /** The node it works for, or `outside`. */
  readonly place: string
}

export interface LabNode {
  readonly name: string
  readonly address: string
  readonly podCIDR: string
}

/** What `state.json` says: enough to look at a lab and to enter it; `down` manages without. */
export interface LabState {
  readonly version: 1
  readonly name: string
  /** 198.18.<subnet>.0/24 is the underlay. */
  readonly subnet: number
  readonly nodes: readonly LabNode[]
  /** What kubelets write into the resolv.conf of pods. */
  readonly clusterDNS: readonly string[]
  readonly processes: readonly LabProcess[]
  /** True once everything was ready. */
  readonly up: boolean
}

/** Writes a file so that a reader sees the old content or the new, never half of it. */
export function writeFileAtomically(file: string, content: string): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`)
  try {
    writeFileSync(temporary, content)
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

export function writeState(layout: LabLayout, state: LabState): void {
  writeFileAtomically(layout.state, `${JSON.stringify(state, null, 2)}\n`)
}

/** The state of a lab; undefined if there is none or it cannot be read (then only `down` can help). */
export function readState(layout: LabLayout): LabState | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(layout.state, 'utf8'))
  } catch {
    return undefined
  }
  return isState(parsed) ? parsed : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isProcess(value: unknown): value is LabProcess {
  return (
    isRecord(value) &&
    Number.isInteger(value['pid']) &&
    Number.isInteger(value['startTime']) &&
    typeof value['role'] === 'string' &&
    typeof value['place'] === 'string'
  )
}

function isNode(value: unknown): value is LabNode {
  return isRecord(value) && ['name', 'address', 'podCIDR'].every((field) => typeof value[field] === 'string')
}

function isState(value: unknown): value is LabState {
  return (
    isRecord(value) &&
    value['version'] === 1 &&
    typeof value['name'] === 'string' &&
    Number.isInteger(value['subnet']) &&
    typeof value['up'] === 'boolean' &&
    Array.isArray(value['nodes']) &&
    Array.isArray(value['clusterDNS']) &&
    value['clusterDNS'].every((address) => typeof address === 'string') &&
    value['nodes'].every(isNode) &&
    Array.isArray(value['processes']) &&
    value['processes'].every(isProcess)
  )
}
