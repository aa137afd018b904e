import type { Family } from '../model/bytes.ts'
import type { FrontendKey } from '../model/service-rules.ts'
import { type ElementKey, SETS } from '../model/sets.ts'

const UDP = 17
const BY_ADDRESS = new Set<string>([SETS.serviceIps.code, SETS.endpoints.code])
const BY_NODE_PORT = new Set<string>([SETS.serviceNodePorts.code, SETS.nodePortEndpoints.code])

/** The UDP frontend an element belongs to, if its change can leave connections behind that lead nowhere. */
export function udpFrontendOf(key: ElementKey, family: Family): FrontendKey | undefined {
  const code = key.charAt(0)
  const address = BY_ADDRESS.has(code) ? (family === 4 ? 4 : 16) : BY_NODE_PORT.has(code) ? 0 : -1
  if (address < 0 || key.charCodeAt(1 + address) !== UDP) return undefined
  return key.slice(1, 1 + address + 8)
}
