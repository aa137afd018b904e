// How each component is started from its section of the agent's configuration. Modules are imported when their
// component is on: an agent that only serves DNS loads neither netlink nor the gateway.
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Store } from '#watch'
import type { Component, ComponentHealth } from './component.ts'
import type { AgentConfiguration, ComponentName } from './configuration.ts'
import { startGatewayComponent } from './gateway-component.ts'
import type { WriteBack } from './write-back.ts'

export interface ComponentContext {
  readonly store: Store
  readonly log: Logger
  readonly metrics: Registry
  /** missing where the cluster is a directory of manifests */
  readonly writeBack?: WriteBack | undefined
  /** of another component of this agent; undefined when it is not switched on */
  readonly healthOf?: ((name: ComponentName) => ComponentHealth | undefined) | undefined
}

interface ComponentDefinition {
  /** Files that configure the component; it is restarted when one of them changes. */
  readonly files: (config: AgentConfiguration) => readonly string[]
  /** Files a change of which the running component takes over by itself, when it is told to reload. */
  readonly reloads?: (config: AgentConfiguration) => readonly string[]
  /** A running component takes over its changed section, too, when it is told to reload. */
  readonly takesOver?: boolean
  /** Reads the component's own configuration; throws when it is bad. Run before anything starts, for exit code 2. */
  readonly check: (config: AgentConfiguration) => Promise<unknown>
  /** `current` gives the configuration as it is when a running component is told to reload. */
  readonly start: (
    config: AgentConfiguration,
    context: ComponentContext,
    current: () => AgentConfiguration,
  ) => Promise<Component>
}

const present = (...paths: readonly (string | undefined)[]): string[] =>
  paths.filter((path) => path !== undefined)

/** In the order in which they start: the overlay writes the subnet that the CNI server hands out addresses from. */
export const componentDefinitions: Readonly<Record<ComponentName, ComponentDefinition>> = {
  overlay: {
    files: ({ overlay }) => present(overlay?.netConf),
    check: async ({ overlay }) => {
      if (overlay === undefined) return
      const { checkOverlaySettings, loadNetConf } = await import('#cni')
      checkOverlaySettings(overlay)
      loadNetConf(overlay.netConf)
    },
    start: async ({ overlay, nodeName }, context) => {
      if (overlay === undefined) throw new Error('no overlay section')
      const { loadNetConf, startOverlay } = await import('#cni')
      return startOverlay({
        ...context,
        ...overlay,
        nodeName,
        netConf: loadNetConf(overlay.netConf),
        publish: context.writeBack?.patchNode,
      })
    },
  },
  cni: {
    files: () => [],
    check: async () => {},
    start: async ({ cni }, { log, metrics, healthOf }) => {
      if (cni === undefined) throw new Error('no cni section')
      return (await import('#cni')).startCniServer({
        socketPath: cni.socket,
        log,
        metrics,
        overlayTrouble: () => {
          const overlay = healthOf?.('overlay')
          return overlay?.ok === false ? (overlay.detail ?? 'it is not healthy') : undefined
        },
      })
    },
  },
  proxy: {
    files: ({ proxy }) => present(proxy?.config),
    check: async ({ proxy }) => (await import('#proxy')).loadProxyConfiguration(proxy?.config),
    start: async ({ proxy, nodeName }, context) => {
      const { loadProxyConfiguration, startProxy } = await import('#proxy')
      return startProxy({
        ...context,
        nodeName,
        config: loadProxyConfiguration(proxy?.config, context),
        recordEvent: context.writeBack?.recordEvent,
      })
    },
  },
  dns: {
    // The reload plugin watches the Corefile itself and swaps chains without losing a query.
    files: () => [],
    check: async ({ dns }) => {
      if (dns !== undefined) (await import('#dns')).loadCorefile(dns.corefile)
    },
    start: async ({ dns }, context) => {
      if (dns === undefined) throw new Error('no dns section')
      return (await import('#dns')).startDns({ ...context, ...dns })
    },
  },
  gateway: {
    files: () => [],
    reloads: ({ gateway }) => present(gateway?.config),
    check: async ({ gateway }) => (await import('#ingress')).loadGatewayConfig(gateway?.config),
    takesOver: true,
    start: async (_config, context, current) => {
      const { loadGatewayConfig } = await import('#ingress')
      return startGatewayComponent(() => {
        const { gateway = {} } = current()
        return { config: loadGatewayConfig(gateway.config), addresses: gateway }
      }, context)
    },
  },
}

export const startOrder: readonly ComponentName[] = ['overlay', 'cni', 'proxy', 'dns', 'gateway']

/** The components that the configuration switches on, in start order. */
export function enabledComponents(config: AgentConfiguration): ComponentName[] {
  return startOrder.filter((name) => config[name] !== undefined)
}
