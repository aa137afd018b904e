import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import {
  type CertificateFiles,
  type KubernetesSource,
  kubernetesSource,
  manifestSource,
  type NeedingComponent,
  type Source,
} from '#watch'

/** Where the cluster is described: manifests, or an API server by kubeconfig or by the pod's service account. */
export interface SourceSettings {
  readonly manifests?: readonly string[] | undefined
  readonly kubeconfig?: string | undefined
  /** the context to use of the kubeconfig, instead of current-context */
  readonly context?: string | undefined
  readonly inCluster?: boolean | undefined
  /** API servers to use instead of the configured one; a node agent must not depend on a Service's address. */
  readonly apiServer?: readonly string[] | undefined
  /** files of certificates to be known by at `apiServer`, where there is neither kubeconfig nor service account */
  readonly certificates?: CertificateFiles | undefined
}

/**
 * The source that the settings name. `components` decides what is watched of an API server.
 * @throws KubeconfigError naming file and field.
 */
export function clusterSource(
  settings: SourceSettings,
  about: {
    components?: readonly NeedingComponent[] | undefined
    nodeName?: string | undefined
    log: Logger
    metrics?: Registry | undefined
  },
): Source | KubernetesSource {
  const { manifests, kubeconfig, context, inCluster, apiServer, certificates } = settings
  if (kubeconfig === undefined && certificates === undefined && inCluster !== true)
    return manifestSource({ directories: manifests ?? [], log: about.log, metrics: about.metrics })
  return kubernetesSource({ ...about, kubeconfig, context, inCluster, apiServer, certificates })
}
