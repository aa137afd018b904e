import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Store } from '#watch'
import type { NetConf } from './net-conf.ts'
import type { NodePatch } from './publication.ts'

/** What flannel's flags say; everything is optional. */
export interface OverlaySettings {
  /** Names or addresses of external interfaces, tried in order. */
  iface?: string | readonly string[] | undefined
  ifaceRegex?: readonly string[] | undefined
  ifaceCanReach?: string | undefined
  /** The addresses other nodes send to. */
  publicIp?: string | undefined
  publicIpv6?: string | undefined
  /** Masquerade what leaves the pod network (default true). */
  ipMasq?: boolean | undefined
  /** Choose the source ports of masqueraded connections at random (default true). */
  ipMasqFullyRandom?: boolean | undefined
  /** Accept forwarded packets of pods (default true). */
  forwardRules?: boolean | undefined
  /** Keep packets to pod networks of unknown nodes from leaving by the default route (default false). */
  blackholeRoute?: boolean | undefined
  /** Prefix of the Node annotations (default flannel.alpha.coreos.com). */
  annotationPrefix?: string | undefined
  /** Set the Node's condition NetworkUnavailable to False once the network is there (default true). */
  setNodeNetworkUnavailable?: boolean | undefined
  /** Where to serve /healthz and /readyz; default: nowhere. */
  healthz?: { readonly host: string; readonly port: number } | undefined
}

export interface OverlayOptions extends OverlaySettings {
  store: Store
  /** The Node object that this machine is. */
  nodeName: string
  netConf: NetConf
  /** Where subnet.env goes. */
  subnetFile: string
  log: Logger
  metrics: Registry
  /** Applies a strategic merge patch to the status subresource of the own Node, where the source can write. */
  publish?: ((patch: NodePatch) => Promise<void>) | undefined
}
