import type { Condition, IntOrString, KubeObject, Protocol } from './meta.ts'

export interface ContainerPort {
  readonly name: string
  readonly containerPort: number
  readonly protocol: Protocol
  /** 0 if none */
  readonly hostPort: number
  readonly hostIP: string
}

export interface Probe {
  readonly exec?: { readonly command: readonly string[] } | undefined
  readonly httpGet?:
    | { readonly path: string; readonly port: IntOrString; readonly host: string; readonly scheme: string }
    | undefined
  readonly tcpSocket?: { readonly port: IntOrString; readonly host: string } | undefined
  readonly initialDelaySeconds: number
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly successThreshold: number
  readonly failureThreshold: number
}

export interface EnvVar {
  readonly name: string
  readonly value: string
  /** a downward API reference such as `status.podIP` */
  readonly fieldPath?: string | undefined
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly env: readonly EnvVar[]
  readonly ports: readonly ContainerPort[]
  readonly readinessProbe?: Probe | undefined
}

export interface PodDNSConfig {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly { readonly name: string; readonly value?: string | undefined }[]
}

export interface HostAlias {
  readonly ip: string
  readonly hostnames: readonly string[]
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
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
    /** restartPolicy Always among init containers (sidecars) counts for named ports */
    readonly initContainers: readonly Container[]
  }
  readonly status: {
    readonly phase: PodPhase
    /** first of podIPs, '' if none yet */
    readonly podIP: string
    readonly podIPs: readonly string[]
    readonly hostIP: string
    readonly conditions: readonly Condition[]
    readonly startTime?: string | undefined
  }
}
