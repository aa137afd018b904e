// Status of Ingress and of the ApisixRoute family, and Events for those that are wrong, written by one of all gateways.
import type { Logger } from 'pino'
import {
  type AnyObject,
  type EventRecorder,
  electLeader,
  gatewayLease,
  type KubernetesSource,
  keyOf,
  type ObjectWriter,
  StatusReconciler,
  type Store,
  type WantedStatus,
} from '#watch'
import type { Component } from './component.ts'

type Raw = Readonly<Record<string, unknown>>

/** What an Ingress says about where it can be reached. */
export interface StatusAddresses {
  /** IP addresses or host names */
  readonly statusAddresses?: readonly string[] | undefined
  /** or the Service in front of the gateways, as namespace/name */
  readonly publishService?: string | undefined
}

export interface GatewayStatusOptions extends StatusAddresses {
  readonly store: Store
  readonly client: KubernetesSource['client']
  readonly writer: ObjectWriter
  readonly events: EventRecorder
  readonly problems: () => readonly {
    readonly object: string
    readonly field: string
    readonly message: string
  }[]
  readonly ingressClass: string
  readonly namespace: string
  readonly identity: string
  readonly log: Logger
  readonly settleMs?: number | undefined
}

const apisixKinds = [
  'ApisixRoute',
  'ApisixTls',
  'ApisixConsumer',
  'ApisixPluginConfig',
  'ApisixGlobalRule',
  'ApisixUpstream',
] as const
const watched = ['Ingress', 'IngressClass', 'Service', 'Secret', ...apisixKinds] as const
/** The controllers whose IngressClasses are served here, as in the gateway. */
const controllers: ReadonlySet<string> = new Set([
  'apisix.apache.org/apisix-ingress-controller',
  'apisix.apache.org/apisix-ingress',
])

/** Takes part in the election and, while elected, keeps the status of the gateway's objects. */
export function startGatewayStatus(options: GatewayStatusOptions): Component {
  const { store, client, namespace, identity, log, settleMs } = options
  const election = electLeader({
    client,
    namespace,
    name: gatewayLease,
    identity,
    log,
    onChange: () => reconciler.touch(),
  })
  const reconciler = new StatusReconciler({
    writer: options.writer,
    log,
    leading: () => election.leading,
    wanted: () => {
      recordEvents(options)
      return wantedStatus(options)
    },
    settleMs,
  })
  const subscription = store.subscribe({ name: 'gateway status', kinds: watched, coalesceMs: 1000 }, () =>
    reconciler.touch(),
  )
  return {
    name: 'gateway status',
    health: () => ({
      ok: true,
      detail: election.leading ? 'writes status' : 'another gateway writes status',
    }),
    async stop() {
      subscription.close()
      await reconciler.stop()
      await election.stop()
    },
  }
}

/** Events about what the gateway cannot use, and about objects that could not be read at all. */
function recordEvents({ store, events, problems }: GatewayStatusOptions): void {
  for (const { object, field, message } of problems()) {
    const regarding = named(store, object)
    if (regarding !== undefined) events.warn(regarding, 'SyncFailed', `${field}: ${message}`)
  }
  for (const { regarding, field, message } of store.status().problems) {
    if (regarding !== undefined) events.warn(regarding, 'Invalid', `${field ?? ''} ${message}`.trim())
  }
}

/** `ApisixRoute shop/catalog` as the object it names. */
function named(store: Store, object: string): AnyObject | undefined {
  const [kind, key = ''] = object.split(' ')
  const known = ['Ingress', ...apisixKinds].find((candidate) => candidate === kind)
  return known === undefined ? undefined : store.get(known as (typeof apisixKinds)[number] | 'Ingress', key)
}

function* wantedStatus(options: GatewayStatusOptions): Generator<WantedStatus> {
  const { store } = options
  const problems = Map.groupBy(options.problems(), ({ object }) => object)
  const ingress = publishedAddresses(options)
  if (ingress.length > 0) {
    for (const object of store.list('Ingress')) {
      const { spec, metadata } = object
      const className =
        spec.ingressClassName ?? metadata.annotations['kubernetes.io/ingress.class'] ?? defaultClass(store)
      if (className === undefined || !isOurs(options, className)) continue
      yield {
        kind: 'Ingress',
        key: keyOf(object),
        text: JSON.stringify(ingress),
        change: (current) => ({ ...(current['status'] as Raw | undefined), loadBalancer: { ingress } }),
      }
    }
  }
  for (const kind of apisixKinds) {
    for (const object of store.list(kind)) {
      const className = 'ingressClassName' in object.spec ? object.spec.ingressClassName : undefined
      if (className !== undefined && className !== '' && !isOurs(options, className)) continue
      const key = keyOf(object)
      const wrong = problems.get(`${kind} ${key}`) ?? []
      const message = wrong.map((problem) => `${problem.field}: ${problem.message}`).join('; ')
      yield {
        kind,
        key,
        // With its version: a change of the spec that changes nothing here is to be acknowledged, too.
        text: `${object.metadata.resourceVersion} ${message}`,
        change: (current) => withCondition(current, message),
      }
    }
  }
}

/** The condition that apisix-ingress-controller 2.x writes. */
function withCondition(current: Raw, problems: string): Raw | undefined {
  const { conditions = [], ...rest } = (current['status'] ?? {}) as { conditions?: Raw[] }
  const { generation } = (current['metadata'] ?? {}) as { generation?: number }
  const wanted: Raw = {
    type: 'Accepted',
    status: problems === '' ? 'True' : 'False',
    reason: problems === '' ? 'Accepted' : 'SyncFailed',
    // The API allows 32 KiB.
    message: problems.slice(0, 1024),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  }
  const before = conditions.find(({ type }) => type === 'Accepted')
  if (before !== undefined && Object.entries(wanted).every(([name, value]) => before[name] === value))
    return undefined
  const since = before?.['status'] === wanted['status'] ? before?.['lastTransitionTime'] : undefined
  const lastTransitionTime = since ?? `${new Date().toISOString().slice(0, 19)}Z`
  const others = conditions.filter(({ type }) => type !== 'Accepted')
  return { ...rest, conditions: [...others, { ...wanted, lastTransitionTime }] }
}

/** As they stand in `status.loadBalancer.ingress`. */
function publishedAddresses({ store, statusAddresses, publishService }: GatewayStatusOptions): Raw[] {
  if (statusAddresses !== undefined) return statusAddresses.map(entryOf)
  const service = publishService === undefined ? undefined : store.get('Service', publishService)
  if (service === undefined) return []
  const balancers = service.status.loadBalancer.ingress.map(({ ip, hostname }) => ip || hostname)
  const { externalIPs, clusterIPs } = service.spec
  const found = [balancers, externalIPs, clusterIPs].find((addresses) => addresses.some((address) => address))
  return (found ?? []).flatMap((address) => (address && address !== 'None' ? [entryOf(address)] : []))
}

function entryOf(address: string): Raw {
  return /^[0-9.]+$|:/.test(address) ? { ip: address } : { hostname: address }
}

function defaultClass(store: Store): string | undefined {
  for (const { metadata } of store.list('IngressClass')) {
    if (metadata.annotations['ingressclass.kubernetes.io/is-default-class'] === 'true') return metadata.name
  }
  return undefined
}

function isOurs({ store, ingressClass }: GatewayStatusOptions, className: string): boolean {
  if (className === ingressClass) return true
  return controllers.has(store.get('IngressClass', className)?.spec.controller ?? '')
}
