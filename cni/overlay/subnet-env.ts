import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { firstAddress } from './prefix.ts'

export interface SubnetEnv {
  /** Cluster pod networks and this node's, by family. */
  families: readonly { family: 4 | 6; network: string; subnet: string }[]
  /** MTU of pod interfaces. */
  mtu: number
  /** Does the overlay masquerade? If not, flannel's CNI plugin makes the bridge do it. */
  masquerade: boolean
}

/** Text of flannel's subnet.env (pkg/subnet/subnet.go, WriteSubnetFile). */
export function subnetEnvText({ families, mtu, masquerade }: SubnetEnv): string {
  const lines = families.flatMap(({ family, network, subnet }) => {
    const prefix = family === 4 ? 'FLANNEL' : 'FLANNEL_IPV6'
    return [`${prefix}_NETWORK=${network}`, `${prefix}_SUBNET=${firstAddress(subnet)}`]
  })
  return `${[...lines, `FLANNEL_MTU=${mtu}`, `FLANNEL_IPMASQ=${masquerade}`].join('\n')}\n`
}

/** Writes the file by rename unless it says the same already; true if it was written. */
export function writeSubnetEnv(path: string, env: SubnetEnv): boolean {
  const text = subnetEnvText(env)
  try {
    if (readFileSync(path, 'utf8') === text) return false
  } catch {
    // Missing or unreadable: write it.
  }
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, text, { mode: 0o644 })
  renameSync(temporary, path)
  return true
}
