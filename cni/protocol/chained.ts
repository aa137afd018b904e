import { CniError, cniCodes } from './errors.ts'
import type { CniCall } from './plugin.ts'
import { type CniIp, type CniResult, decodeResult, familyOf } from './result.ts'

/** The result of the plugins before this one in the chain; an error when there was none. */
export function previousResult({ conf }: CniCall): CniResult {
  const raw = conf.fields.raw('prevResult')
  if (raw === undefined) throw new CniError(cniCodes.internal, 'must be called as chained plugin')
  return decodeResult(raw, conf.cniVersion)
}

/** The first address of each family in the pod, as the reference plugins pick them. */
export function podAddresses({ ifname }: CniCall, { ips, interfaces }: CniResult): CniIp[] {
  const inPod = ips.filter(({ interface: index }) => {
    const link = index === undefined ? undefined : interfaces[index]
    return link === undefined || (Boolean(link.sandbox) && link.name === ifname)
  })
  return ([4, 6] as const)
    .map((family) => inPod.find(({ address }) => familyOf(address) === family))
    .filter((ip): ip is CniIp => ip !== undefined)
}
