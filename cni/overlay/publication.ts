import type { Node } from '#watch'
import type { AnnotationNames } from './annotations.ts'
import { annotatedAddress } from './peers.ts'

/** What the overlay tells other nodes about this one. */
export interface Publication {
  readonly backend: { readonly type: 'vxlan'; readonly vni: number } | { readonly type: 'host-gw' }
  readonly families: readonly {
    readonly family: 4 | 6
    /** Where others are to send, unless the annotation public-ip-overwrite says otherwise. */
    readonly publicIp: string
    readonly mac: string
  }[]
}

/** A strategic merge patch of a Node's status subresource (which may change annotations, too). */
export interface NodePatch {
  readonly metadata?: { readonly annotations: Readonly<Record<string, string>> }
  readonly status?: { readonly conditions: readonly NodeConditionPatch[] }
}

/** Conditions are merged by their `type`. */
export interface NodeConditionPatch {
  readonly type: 'NetworkUnavailable'
  readonly status: 'False'
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: string
  readonly lastHeartbeatTime: string
}

/**
 * The patch that makes a Node say what is to be published, in flannel's annotations (pkg/subnet/kube/kube.go,
 * AcquireLease) and its condition; undefined if it says so already.
 */
export function nodePatch(
  node: Node,
  publication: Publication,
  options: { names: AnnotationNames; setNetworkUnavailable: boolean; now: Date },
): NodePatch | undefined {
  const { names } = options
  const wanted: Record<string, string> = {
    [names.managed]: 'true',
    [names.backendType]: publication.backend.type,
  }
  for (const { family, publicIp, mac } of publication.families) {
    wanted[names.backendData[family]] = backendData(publication.backend, mac)
    wanted[names.publicIp[family]] = annotatedAddress(node, family, names.publicIpOverwrite) ?? publicIp
  }
  const annotations: Record<string, string> = {}
  for (const [name, value] of Object.entries(wanted)) {
    if (node.metadata.annotations[name] !== value) annotations[name] = value
  }
  const conditions = options.setNetworkUnavailable ? conditionPatch(node, options.now) : []
  if (Object.keys(annotations).length === 0 && conditions.length === 0) return undefined
  return {
    ...(Object.keys(annotations).length === 0 ? {} : { metadata: { annotations } }),
    ...(conditions.length === 0 ? {} : { status: { conditions } }),
  }
}

/** As Go prints the struct; host-gw has none. */
function backendData(backend: Publication['backend'], mac: string): string {
  return backend.type === 'vxlan' ? JSON.stringify({ VNI: backend.vni, VtepMAC: mac }) : 'null'
}

function conditionPatch(node: Node, now: Date): NodeConditionPatch[] {
  const there = node.status.conditions.find(({ type }) => type === 'NetworkUnavailable')
  if (there?.status === 'False') return []
  // Kubernetes' times have no fractions of a second.
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z')
  return [
    {
      type: 'NetworkUnavailable',
      status: 'False',
      // flannel's own reason: what looks for it finds it.
      reason: 'FlannelIsUp',
      message: 'The pod network is up on this node (Plexus)',
      lastTransitionTime: time,
      lastHeartbeatTime: time,
    },
  ]
}
