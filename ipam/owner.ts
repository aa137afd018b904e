import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Who holds a lease. `ifname` is '' in files of ancient plugin versions, which wrote the container ID only. */
export interface LeaseOwner {
  readonly containerID: string
  readonly ifname: string
}

/** What is kept beside a lease, to recognise an owner that cannot live any more. */
export interface LeaseEvidence {
  /** The kernel's boot id when the lease was given: no container outlives a reboot. */
  readonly bootID: string
  /** Free for the caller, e.g. the name of the host's end of the veth pair. */
  readonly detail?: Readonly<Record<string, string>> | undefined
}

const lineBreak = '\r\n'

/** The content of a lease file, byte for byte that of the reference plugin. */
export function leaseText({ containerID, ifname }: LeaseOwner): string {
  return `${containerID.trim()}${lineBreak}${ifname}`
}

export function parseLeaseText(text: string): LeaseOwner | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  const [containerID = '', ifname = ''] = trimmed.split(lineBreak)
  return { containerID, ifname }
}

/** File name of an owner in the index. */
export function ownerKey(owner: LeaseOwner): string {
  return createHash('sha256').update(leaseText(owner)).digest('hex').slice(0, 32)
}

let bootID: string | undefined

export function currentBootID(): string {
  bootID ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return bootID
}
