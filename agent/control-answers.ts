// What a running agent tells about itself on its control socket.
import type { Node, Pod, Store } from '#watch'
import type { Component } from './component.ts'
import type { ControlAnswers } from './control-server.ts'
import { readiness } from './health-server.ts'
import { SupervisedComponent } from './supervised-component.ts'
import type { ServiceTrace } from './trace/connection.ts'
import type { NameServer } from './trace/names.ts'
import type { OverlayFacts, Peer } from './trace/way.ts'

/** Optional abilities of components, found by the method being there. */
interface Describes {
  describeServices?(): unknown
  describeEndpoints?(): unknown
  describeRoutes?(): unknown
  describePeers?(): readonly Peer[]
  peerProblems?(): ReadonlyMap<string, string>
  trace?(request: unknown): unknown
}

type RunningComponent = Component & Describes

export function controlAnswers(agent: {
  nodeName: string
  store: Store
  components: readonly Component[]
}): ControlAnswers {
  const { nodeName, store, components } = agent
  const started = new Date().toISOString()
  const running = (name: string): RunningComponent | undefined => {
    const component = components.find((candidate) => candidate.name === name)
    return component instanceof SupervisedComponent
      ? (component.running as RunningComponent | undefined)
      : undefined
  }
  const describe =
    (component: string, ability: Exclude<keyof Describes, 'trace' | 'peerProblems'>) => (): unknown => {
      return running(component)?.[ability]?.() ?? []
    }
  return {
    '/status': () => ({
      nodeName,
      pid: process.pid,
      started,
      memoryMb: Math.round(process.memoryUsage.rss() / 1e6),
      synced: store.synced,
      ...readiness(components),
      source: store.status(),
    }),
    '/get/services': describe('proxy', 'describeServices'),
    '/get/endpoints': describe('proxy', 'describeEndpoints'),
    '/get/routes': describe('gateway', 'describeRoutes'),
    '/get/peers': describe('overlay', 'describePeers'),
    '/trace': async (query) => {
      const proxy = running('proxy')
      if (proxy?.trace === undefined) throw new Error('this agent runs no proxy')
      const { RouteSocket } = await import('#netlink')
      const { traceConnection } = await import('./trace/connection.ts')
      using routes = new RouteSocket()
      const overlay = overlayFacts(running('overlay'))
      return await traceConnection(query, {
        store,
        nodeName,
        routes,
        overlay,
        dns: running('dns') as NameServer | undefined,
        traceService: (asked) => proxy.trace?.(asked) as ServiceTrace,
      })
    },
    '/trace-request': ({ method = 'GET', url = '/', headers = '{}', from = '127.0.0.1' }) => {
      const gateway = running('gateway')
      if (gateway?.trace === undefined) throw new Error('this agent runs no gateway')
      return gateway.trace({ method, url, headers: JSON.parse(headers), remoteAddress: from })
    },
    '/get/nodes': () => [...store.list('Node')].map(nodeRow),
    '/get/pods': () => [...store.list('Pod')].map(podRow),
  }
}

function overlayFacts(overlay: RunningComponent | undefined): OverlayFacts | undefined {
  const peers = overlay?.describePeers?.()
  if (overlay === undefined || peers === undefined) return undefined
  const { ok, detail } = overlay.health()
  return { peers, problems: overlay.peerProblems?.() ?? new Map(), failure: ok ? undefined : detail }
}

function nodeRow({ metadata, spec, status }: Node): Record<string, unknown> {
  return {
    name: metadata.name,
    addresses: status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
    podCIDRs: spec.podCIDRs,
    publicIP: metadata.annotations['flannel.alpha.coreos.com/public-ip'],
    zone: metadata.labels['topology.kubernetes.io/zone'],
  }
}

function podRow({ metadata, spec, status }: Pod): Record<string, unknown> {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    node: spec.nodeName,
    ip: status.podIPs,
    phase: status.phase,
    ready: status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    hostNetwork: spec.hostNetwork,
  }
}
