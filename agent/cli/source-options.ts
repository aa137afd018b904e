// Where a component on its own finds the cluster: as its peer does.
import type { SourceSettings } from '../source.ts'
import { UsageError } from './usage-error.ts'

/** What the component's own flags and files name; the flags that all components have come before it. */
export interface NamedCluster {
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  /** address of the API server instead of that of the kubeconfig or the service account */
  readonly apiServer?: string | undefined
  readonly certificates?: SourceSettings['certificates']
  /** the flag that `apiServer` was given with; undefined: a file names it */
  readonly flag?: string | undefined
}

/**
 * Manifests or a kubeconfig where one is named; else, inside a pod, its service account. Names nothing if there is
 * nothing of all that.
 */
export function sourceOf(
  options: SourceSettings,
  named: NamedCluster,
  environment: NodeJS.ProcessEnv = process.env,
): SourceSettings {
  const { manifests } = options
  const { kubeconfig, context, certificates, flag } = named
  const apiServer = named.apiServer === undefined ? undefined : [named.apiServer]
  if (manifests !== undefined) {
    if (apiServer !== undefined && flag !== undefined)
      throw new UsageError(`${flag} has no meaning beside --manifests`)
    return { manifests }
  }
  if (options.kubeconfig !== undefined) return { kubeconfig: options.kubeconfig, apiServer }
  if (kubeconfig !== undefined) return { kubeconfig, context, apiServer }
  if (certificates !== undefined) return { apiServer, certificates }
  const inPod = (environment['KUBERNETES_SERVICE_HOST'] ?? '') !== ''
  return inPod || apiServer !== undefined ? { inCluster: true, apiServer } : {}
}

/** True if the settings say where the cluster is. */
export function namesCluster({ manifests, kubeconfig, inCluster, certificates }: SourceSettings): boolean {
  return [manifests, kubeconfig, inCluster, certificates].some((setting) => setting !== undefined)
}

/** A component on its own needs to be told where the cluster is described. */
export function requireSource(source: SourceSettings): void {
  if (!namesCluster(source))
    throw new UsageError(
      'where the cluster is described is missing: give --manifests DIR or --kubeconfig FILE, or run in a pod',
    )
}
