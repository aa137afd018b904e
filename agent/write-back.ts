// What components tell the cluster, where an API server stands behind the cache: the overlay's annotations, Events of
// the proxy, status and Events of the gateway.
import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import {
  EventRecorder,
  type Kind,
  type KubernetesSource,
  ObjectWriter,
  type Source,
  type Store,
} from '#watch'
import type { Component } from './component.ts'
import { type StatusAddresses, startGatewayStatus } from './gateway-status.ts'

/** An Event of a component, about an object by its key. */
interface ComponentEvent {
  readonly kind: Kind
  readonly object: string
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

export interface StatusOfGateway extends StatusAddresses {
  /** Kubernetes objects that are not in effect as written */
  readonly problems: () => readonly {
    readonly object: string
    readonly field: string
    readonly message: string
  }[]
  readonly ingressClass: string
}

export interface WriteBack {
  /** Strategic merge patch of the status (and annotations) of this node's Node. */
  patchNode(patch: object): Promise<void>
  /** Never waits and never throws. */
  recordEvent(event: ComponentEvent): void
  /** Gives the gateway's objects a status as long as this one is the elected gateway. */
  gatewayStatus(gateway: StatusOfGateway): Component
}

/** Undefined where nothing can be written back: manifests. */
export function writeBackTo(
  source: Source | KubernetesSource,
  context: { store: () => Store; nodeName: string; log: Logger },
): WriteBack | undefined {
  if (!('client' in source)) return undefined
  const { client, namespace } = source
  const { nodeName, log } = context
  const writer = new ObjectWriter({ client, log })
  const recorder = (component: string): EventRecorder =>
    new EventRecorder({ client, log, controller: `plexus-${component}`, instance: nodeName })
  const proxyEvents = recorder('proxy')
  return {
    async patchNode(patch) {
      await writer.patch('Node', nodeName, { ...patch }, { subresource: 'status', type: 'strategic' })
    },
    recordEvent({ kind, object, type, reason, message }) {
      const regarding = context.store().get(kind, object)
      if (regarding !== undefined)
        proxyEvents.record(regarding, { type, reason, note: message, action: 'Syncing' })
    },
    gatewayStatus: (gateway) =>
      startGatewayStatus({
        ...gateway,
        store: context.store(),
        client,
        writer,
        events: recorder('gateway'),
        namespace,
        // Two agents of one node, during an update, are two candidates.
        identity: `${nodeName}_${randomUUID().slice(0, 8)}`,
        log,
      }),
  }
}
