import type { Container } from '../objects/container.ts'
import type { Condition } from '../objects/meta.ts'
import type { Pod, PodPhase } from '../objects/pod.ts'
import { type CompactMetadata, CompactObject, compactMetadata } from './compact-object.ts'

const none = Object.freeze([])

/** What the Pods of one Deployment have in common. */
export type PodTemplate = Omit<Pod['spec'], 'nodeName' | 'hostname' | 'dnsConfig' | 'hostAliases'>

/** What of a Pod is its own, besides metadata. */
export interface PodContent {
  readonly nodeName: string
  readonly hostname: string
  readonly template: PodTemplate
  readonly phase: PodPhase
  /** of the condition Ready; undefined: there is none */
  readonly ready: Condition['status'] | undefined
  readonly hostIP: string
  /** a list only where there is more than one */
  readonly podIPs: string | readonly string[]
}

/**
 * What a node keeps of a Pod. Who runs containers (the lab) reads manifests and needs all of one; a node of a cluster
 * has a kubelet for that, and needs addresses, ports and readiness.
 */
export class CompactPod extends CompactObject implements Pod {
  readonly nodeName: string
  readonly hostname: string
  readonly template: PodTemplate
  readonly phase: PodPhase
  readonly ready: Condition['status'] | undefined
  readonly hostIP: string
  readonly podIPs: string | readonly string[]

  constructor(metadata: CompactMetadata, content: PodContent) {
    super(metadata)
    this.nodeName = content.nodeName
    this.hostname = content.hostname
    this.template = content.template
    this.phase = content.phase
    this.ready = content.ready
    this.hostIP = content.hostIP
    this.podIPs = content.podIPs
  }

  static of({ metadata, spec, status }: Pod): CompactPod {
    const { podIPs } = status
    return new CompactPod(compactMetadata(metadata), {
      nodeName: spec.nodeName,
      hostname: spec.hostname,
      template: templateOf(spec),
      phase: status.phase,
      ready: status.conditions.find(({ type }) => type === 'Ready')?.status,
      hostIP: status.hostIP,
      podIPs: podIPs.length > 1 ? podIPs : (podIPs[0] ?? ''),
    })
  }

  get apiVersion(): string {
    return 'v1'
  }

  get kind(): 'Pod' {
    return 'Pod'
  }

  get spec(): Pod['spec'] {
    const { nodeName, hostname, template } = this
    return { ...template, nodeName, hostname, dnsConfig: undefined, hostAliases: none }
  }

  get status(): Pod['status'] {
    const { phase, hostIP, podIPs: kept, ready } = this
    const podIPs = typeof kept !== 'string' ? kept : kept === '' ? none : [kept]
    const conditions = ready === undefined ? none : readyConditions[ready]
    return { phase, podIP: podIPs[0] ?? '', podIPs, hostIP, conditions, startTime: undefined }
  }

  toJSON(): Pod {
    const { apiVersion, kind, metadata, spec, status } = this
    return { apiVersion, kind, metadata: metadata.toJSON(), spec, status }
  }
}

/** Without reasons and times: they change without any effect here. */
function readyCondition(status: Condition['status']): readonly Condition[] {
  return Object.freeze([
    Object.freeze({ type: 'Ready', status, reason: '', message: '', lastTransitionTime: undefined }),
  ])
}

const readyConditions: { readonly [S in Condition['status']]: readonly Condition[] } = {
  True: readyCondition('True'),
  False: readyCondition('False'),
  Unknown: readyCondition('Unknown'),
}

/** The part of a Pod's spec that it shares with others. */
export function templateOf(spec: Pod['spec']): PodTemplate {
  return {
    hostNetwork: spec.hostNetwork,
    subdomain: spec.subdomain,
    setHostnameAsFQDN: spec.setHostnameAsFQDN,
    dnsPolicy: spec.dnsPolicy,
    serviceAccountName: spec.serviceAccountName,
    restartPolicy: spec.restartPolicy,
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds,
    containers: compactContainers(spec.containers),
    initContainers: compactContainers(spec.initContainers),
  }
}

/** Those with ports, which policies and Services may name. */
function compactContainers(containers: readonly Container[]): readonly Container[] {
  const open = containers.filter(({ ports }) => ports.length > 0)
  if (open.length === 0) return none
  return open.map(({ name, ports, restartPolicy }) => ({
    name,
    image: '',
    command: none,
    args: none,
    workingDir: '',
    env: none,
    ports,
    readinessProbe: undefined,
    restartPolicy,
  }))
}
