import type { AttachmentKey } from '../attachment.ts'
import {
  admitPod,
  dismissPod,
  dismissStalePods,
  type FirewallEntry,
  type IngressPolicy,
  missingAdmission,
} from '../firewall/rules.ts'
import { readValidAttachments } from '../protocol/attachments.ts'
import { previousResult } from '../protocol/chained.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import type { CniResult } from '../protocol/result.ts'

const policies: readonly IngressPolicy[] = ['open', 'same-bridge', 'isolated']
const backends = ['', 'iptables', 'firewalld', 'nftables']

/** Type `firewall`, chained: which pods may be reached from where, in our nftables tables. */
export const firewallPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const result = previousResult(call)
    admitPod(keyOf(call), entryOf(call, result))
    return result
  },

  async del(call: CniCall): Promise<void> {
    dismissPod(keyOf(call))
  },

  async check(call: CniCall): Promise<void> {
    const missing = missingAdmission(keyOf(call), entryOf(call, previousResult(call)))
    if (missing !== undefined) throw new CniError(cniCodes.internal, missing)
  },

  async gc(call: CniCall): Promise<void> {
    dismissStalePods(call.conf.name, readValidAttachments(call.conf.fields))
  },
}

function entryOf(call: CniCall, { ips, interfaces }: CniResult): FirewallEntry {
  const { fields } = call.conf
  const backend = fields.string('backend') ?? ''
  if (!backends.includes(backend))
    throw new CniError(cniCodes.internal, `unrecognized firewall backend "${backend}"`)
  const zone = fields.string('firewalldZone') ?? ''
  if (backend === 'firewalld' || zone !== '') {
    const [key, value] = zone === '' ? ['backend', backend] : ['firewalldZone', zone]
    throw new CniError(
      cniCodes.unsupportedField,
      `unsupported field ${key}=${JSON.stringify(value)}: pods are not put into zones of firewalld; allow the pod network there yourself`,
    )
  }
  const admin = fields.string('iptablesAdminChainName') ?? ''
  if (admin !== '') {
    throw new CniError(
      cniCodes.unsupportedField,
      `unsupported field iptablesAdminChainName="${admin}": rules of your own go into an nftables table of your own`,
    )
  }
  const text = fields.string('ingressPolicy') || 'open'
  const policy = policies.find((candidate) => candidate === text)
  if (policy === undefined) throw new CniError(cniCodes.internal, `unrecognized ingress policy: "${text}"`)
  const bridge = interfaces.find(({ sandbox }) => !sandbox)?.name ?? ''
  if (policy !== 'open' && bridge === '') {
    throw new CniError(
      cniCodes.internal,
      `ingress policy "${policy}" needs a bridge, and prevResult names none`,
    )
  }
  return { ips, policy, bridge }
}

function keyOf({ conf, containerID, ifname }: CniCall): AttachmentKey {
  return { network: conf.name, containerID, ifname }
}
