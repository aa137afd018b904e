import type { SecureContextOptions } from 'node:tls'
import type { HostPort } from '../../core/host-port.ts'

export interface UpstreamAddress {
  readonly address: string
  readonly port: number
  /** over HTTPS instead of bare TLS */
  readonly https?: boolean | undefined
  /** a name that stands for its addresses at the start; `address` is not set yet */
  readonly host?: string | undefined
  readonly tls: (SecureContextOptions & { readonly servername: string | undefined }) | undefined
}

export interface ForwardOptions {
  readonly from: string
  readonly except: readonly string[]
  readonly to: readonly UpstreamAddress[]
  readonly forceTcp: boolean
  /** local address of everything sent */
  readonly source: string | undefined
  /** idle TCP connections kept per upstream; 0: no limit */
  readonly maxIdle: number
  /** who is asked for names among the upstreams; empty: resolv.conf */
  readonly resolvers: readonly HostPort[]
  readonly dohMethod: 'GET' | 'POST'
  readonly preferUdp: boolean
  readonly expireMs: number
  readonly maxAgeMs: number
  readonly readTimeoutMs: number
  /** 0: an upstream is never taken to be down */
  readonly maxFails: number
  /** 0: twice the number of upstreams */
  readonly maxAttempts: number
  /** 0: no limit */
  readonly maxConcurrent: number
  readonly policy: 'random' | 'round_robin' | 'sequential'
  readonly healthCheck: { readonly intervalMs: number; readonly recursion: boolean; readonly domain: string }
  readonly failFast: boolean
  /** codes for which the next upstream is asked */
  readonly failover: ReadonlySet<number>
  /** codes for which the next forward of the block is asked */
  readonly next: ReadonlySet<number>
  readonly nextOnNoData: boolean
}
