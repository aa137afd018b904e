import { addressIn, canonicalAddress, requiredAddressIn } from './address.ts'
import { conditionsIn, timestampIn } from './common.ts'
import { type Container, containerIn } from './container.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { Condition, KubeObject } from './meta.ts'

export interface PodDNSConfig {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly { readonly name: string; readonly value?: string | undefined }[]
}

export interface HostAlias {
  readonly ip: string
  readonly hostnames: readonly string[]
}

const podPhases = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const
export type PodPhase = (typeof podPhases)[number]

export function isPodPhase(text: string): text is PodPhase {
  return podPhases.some((phase) => phase === text)
}

export type DNSPolicy = 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None'

export interface Pod extends KubeObject {
  readonly kind: 'Pod'
  readonly spec: {
    /** '' while not scheduled */
    readonly nodeName: string
    readonly hostNetwork: boolean
    readonly hostname: string
    readonly subdomain: string
    readonly setHostnameAsFQDN: boolean
    readonly dnsPolicy: DNSPolicy
    readonly dnsConfig?: PodDNSConfig | undefined
    readonly hostAliases: readonly HostAlias[]
    readonly serviceAccountName: string
    readonly restartPolicy: 'Always' | 'OnFailure' | 'Never'
    readonly terminationGracePeriodSeconds: number
    readonly containers: readonly Container[]
    readonly initContainers: readonly Container[]
  }
  readonly status: PodStatus
}

export interface PodStatus {
  readonly phase: PodPhase
  /** first of podIPs, '' if none yet */
  readonly podIP: string
  readonly podIPs: readonly string[]
  readonly hostIP: string
  readonly conditions: readonly Condition[]
  readonly startTime?: string | undefined
}

export function decodePod(root: Field): Pod {
  const spec = root.at('spec').requiredObject()
  const dnsConfig = spec.at('dnsConfig')
  if (spec.at('containers').items().length === 0) spec.at('containers').expected('at least one container')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: {
      nodeName: spec.at('nodeName').string(),
      hostNetwork: spec.at('hostNetwork').boolean(false),
      hostname: spec.at('hostname').string(),
      subdomain: spec.at('subdomain').string(),
      setHostnameAsFQDN: spec.at('setHostnameAsFQDN').boolean(false),
      dnsPolicy: spec
        .at('dnsPolicy')
        .oneOf(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'], 'ClusterFirst'),
      dnsConfig: dnsConfig.missing ? undefined : dnsConfigIn(dnsConfig.object()),
      hostAliases: spec.at('hostAliases').list((item) => ({
        ip: requiredAddressIn(item.requiredObject().at('ip')),
        hostnames: item.at('hostnames').strings(),
      })),
      serviceAccountName: spec.at('serviceAccountName').string('default'),
      restartPolicy: spec.at('restartPolicy').oneOf(['Always', 'OnFailure', 'Never'], 'Always'),
      terminationGracePeriodSeconds: spec
        .at('terminationGracePeriodSeconds')
        .integer(30, { min: 0, max: Number.MAX_SAFE_INTEGER }),
      containers: spec.at('containers').list(containerIn),
      initContainers: spec.at('initContainers').list(containerIn),
    },
    status: podStatusIn(root.at('status').object()),
  }
}

function podStatusIn(status: Field): PodStatus {
  const podIP = addressIn(status.at('podIP'))
  const podIPs = status.at('podIPs').list((item) => requiredAddressIn(item.requiredObject().at('ip')))
  if (podIPs.length === 0 && podIP !== '') podIPs.push(podIP)
  if (podIP !== '' && podIPs[0] !== podIP) status.at('podIP').expected(`podIPs[0].ip, ${podIPs[0]}`)
  return {
    phase: status.at('phase').oneOf(podPhases, 'Pending'),
    podIP: podIPs[0] ?? '',
    podIPs,
    hostIP: addressIn(status.at('hostIP')),
    conditions: conditionsIn(status.at('conditions')),
    startTime: timestampIn(status.at('startTime')),
  }
}

function dnsConfigIn(field: Field): PodDNSConfig {
  return {
    nameservers: field.at('nameservers').list((item) => {
      const address = canonicalAddress(item.requiredString())
      if (address === undefined) item.expected('an IP address')
      return address ?? ''
    }),
    searches: field.at('searches').strings(),
    options: field.at('options').list((item) => ({
      name: item.requiredObject().at('name').requiredString(),
      value: item.at('value').optionalString(),
    })),
  }
}
