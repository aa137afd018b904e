import type { Logger } from 'pino'
import type { LabLayout, NodeLayout } from '../cluster/layout.ts'
import type { CniRuntime } from './cni/runtime.ts'
import type { ClusterDns } from './resolv-conf.ts'

/** What every Pod of a kubelet needs to know about its node. */
export interface KubeletContext {
  readonly lab: LabLayout
  readonly node: NodeLayout
  /** The node's own network namespace. */
  readonly nodeNetns: string
  /** InternalIP of the node. */
  readonly hostIP: string
  readonly dns: ClusterDns
  readonly cni: CniRuntime
  readonly log: Logger
}

/** The image a hostNetwork Pod names for the node's agent: `lab up` has started that already. */
export const AGENT_IMAGE = 'plexus'
