import type { SingleComponentOptions } from './single-component.ts'
import { UsageError } from './usage-error.ts'

/** A component on its own needs to be told where the cluster is described. */
export function requireSource({ manifests, kubeconfig, inCluster }: SingleComponentOptions): void {
  if (manifests === undefined && kubeconfig === undefined && inCluster !== true)
    throw new UsageError(
      'where the cluster is described is missing: give --manifests DIR or --kubeconfig FILE',
    )
}
