import { hostname } from 'node:os'
import { Gauge, type Registry } from 'prom-client'
import type { GatewayConfig } from '../config/gateway-config.ts'
import type { ObjectSources } from '../object-sources.ts'
import { KINDS } from '../objects/index.ts'

/** The names dashboards know them by, where they are not the kinds' own. */
const OTHER_NAMES: Readonly<Record<string, string>> = { protos: 'proto' }

/** APISIX's metrics about the node and where its objects come from; once per gateway, whatever number of processes it has. */
export function registerNodeMetrics(
  registry: Registry,
  of: { config(): GatewayConfig; sources(): ObjectSources },
): void {
  for (const name of ['apisix_node_info', 'apisix_etcd_reachable', 'apisix_etcd_modify_indexes'])
    registry.removeSingleMetric(name)
  const registers = [registry]
  new Gauge({
    name: 'apisix_node_info',
    help: 'Info of APISIX node',
    labelNames: ['hostname'],
    registers,
  }).set({ hostname: hostname() }, 1)
  new Gauge({
    name: 'apisix_etcd_reachable',
    help: 'Config server etcd reachable from APISIX, 0 is unreachable',
    registers,
    collect() {
      // Without an etcd there is nothing to say.
      if (of.config().etcd === undefined) this.remove()
      else this.set(of.sources().storage.problem === undefined ? 1 : 0)
    },
  })
  new Gauge({
    name: 'apisix_etcd_modify_indexes',
    help: 'Etcd modify index for APISIX keys',
    labelNames: ['key'],
    registers,
    collect() {
      const { catalogue } = of.sources()
      for (const kind of KINDS) {
        let index = 0
        for (const { modifiedIndex } of catalogue.entries(kind)) index = Math.max(index, modifiedIndex)
        this.set({ key: OTHER_NAMES[kind] ?? kind }, index)
      }
      this.set({ key: 'max_modify_index' }, catalogue.revision)
      this.set({ key: 'x_etcd_index' }, catalogue.revision)
    },
  })
}
