import { isDeepStrictEqual } from 'node:util'
import type { GatewayComponent, GatewayConfig } from '#ingress'
import type { Component } from './component.ts'
import type { ComponentContext } from './components.ts'
import type { StatusAddresses } from './gateway-status.ts'

type Described = Component & Pick<GatewayComponent, 'describeRoutes' | 'trace'>

/**
 * Starts the gateway, with status for the objects it serves where that can be written back. A reload takes over what `load`
 * finds then without breaking a connection.
 */
export async function startGatewayComponent(
  load: () => GatewayConfig | Promise<GatewayConfig>,
  context: ComponentContext,
  addresses: StatusAddresses = {},
): Promise<Described> {
  const { startGateway } = await import('#ingress')
  let config = await load()
  const gateway = await startGateway({ ...context, config })
  const startStatus = ({ ingressClass }: GatewayConfig) =>
    context.writeBack?.gatewayStatus({ ...addresses, ingressClass, problems: () => gateway.problems() })
  let status = startStatus(config)
  return {
    name: gateway.name,
    health() {
      const { ok, detail } = gateway.health()
      const details = [detail, status?.health().detail].filter((part) => part !== undefined)
      return { ok, detail: details.length === 0 ? undefined : details.join('; ') }
    },
    describeRoutes: () => gateway.describeRoutes(),
    trace: (request) => gateway.trace(request),
    async reload() {
      const next = await load()
      if (isDeepStrictEqual(next, config)) return
      await gateway.reconfigure(next)
      if (next.ingressClass !== config.ingressClass) {
        await status?.stop()
        status = startStatus(next)
      }
      config = next
    },
    async stop() {
      await status?.stop()
      await gateway.stop()
    },
  }
}
