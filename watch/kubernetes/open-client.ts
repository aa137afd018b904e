import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { ClientMetrics } from './client-metrics.ts'
import { type CertificateFiles, certificateAccess } from './configuration/certificate-access.ts'
import type { ClusterAccess } from './configuration/cluster-access.ts'
import { environmentProxy } from './configuration/environment-proxy.ts'
import { inClusterAccess } from './configuration/in-cluster.ts'
import { kubeconfigAccess } from './configuration/kubeconfig.ts'
import { KubeconfigError } from './configuration/kubeconfig-error.ts'
import { ApiClient } from './connection/api-client.ts'
import { Connections } from './connection/connections.ts'
import { RateLimit } from './connection/rate-limit.ts'
import type { KubernetesTiming } from './timing.ts'

export interface ClientOptions {
  /** a kubeconfig file */
  readonly kubeconfig?: string | undefined
  /** the context to use of it, instead of current-context */
  readonly context?: string | undefined
  /** the service account of this pod; a directory instead of true says where it is mounted */
  readonly inCluster?: boolean | string | undefined
  /** API servers to use instead of those configured, tried in turn: `https://10.0.0.1:6443` */
  readonly apiServer?: string | readonly string[] | undefined
  /** files of certificates to be known by at `apiServer`, where there is neither kubeconfig nor service account */
  readonly certificates?: CertificateFiles | undefined
  readonly log: Logger
  readonly metrics?: Registry | undefined
  /** requests a second on average, watches not counted (20) */
  readonly qps?: number | undefined
  /** requests at once (40) */
  readonly burst?: number | undefined
  readonly userAgent?: string | undefined
  /** protocols to offer in TLS; both by default */
  readonly protocols?: readonly ('h2' | 'http/1.1')[] | undefined
}

export interface OpenedClient {
  readonly access: ClusterAccess
  readonly connections: Connections
  readonly client: ApiClient
}

/** A client of the cluster the options name. Throws KubeconfigError. */
export function openClient(options: ClientOptions, timing: KubernetesTiming): OpenedClient {
  const access = accessOf(options, timing)
  const { log, metrics, qps = 20, burst = 40, protocols } = options
  const proxies = new Map(access.servers.map((server) => [server, access.proxy ?? environmentProxy(server)]))
  const connections = new Connections({
    servers: access.servers,
    proxy: (server) => proxies.get(server),
    tls: () => access.tls(),
    log,
    ping: timing.ping,
    http1SilenceMs: timing.http1SilenceMs,
    connectTimeoutMs: timing.connectTimeoutMs,
    protocols,
  })
  access.onRenew = () => connections.renew()
  const client = new ApiClient({
    connections,
    authorization: access.authorization,
    limit: new RateLimit({ qps, burst }),
    metrics: new ClientMetrics(metrics),
    userAgent: options.userAgent ?? 'plexus',
  })
  return { access, connections, client }
}

function accessOf(options: ClientOptions, timing: KubernetesTiming): ClusterAccess {
  const { kubeconfig, context, inCluster, apiServer, certificates, log } = options
  const servers = apiServer === undefined ? undefined : [apiServer].flat().map(serverUrl)
  if (kubeconfig !== undefined) return kubeconfigAccess({ file: kubeconfig, context, servers, log })
  if (certificates !== undefined && servers !== undefined) return certificateAccess(servers, certificates)
  if (inCluster === undefined || inCluster === false) {
    throw new KubeconfigError(
      'no cluster is named; give a kubeconfig, or run as a pod with a service account',
    )
  }
  return inClusterAccess({
    servers,
    log,
    directory: typeof inCluster === 'string' ? inCluster : undefined,
    tokenFreshMs: timing.tokenFreshMs,
  })
}

function serverUrl(text: string): URL {
  if (!URL.canParse(text) || !/^https?:/.test(text)) {
    throw new KubeconfigError(`apiServer ${text} is no address such as https://10.0.0.1:6443`)
  }
  return new URL(text)
}
