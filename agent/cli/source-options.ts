import type { SingleComponentOptions } from './single-component.ts'
import { UsageError } from './usage-error.ts'

/** A component on its own needs to be told where the cluster is described. */
export function requireSource({ manifests, kubeconfig }: SingleComponentOptions): void {
  if (manifests === undefined && kubeconfig === undefined)
    throw new UsageError(
      'where the cluster is described is missing: give --manifests DIR or --kubeconfig FILE',
    )
}
