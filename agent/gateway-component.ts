import { isDeepStrictEqual } from 'node:util'
import type { GatewayComponent, GatewayConfig } from '#ingress'
import type { Component } from './component.ts'
import type { ComponentContext } from './components.ts'
import type { StatusAddresses } from './gateway-status.ts'

type Described = Component & Pick<GatewayComponent, 'describeRoutes' | 'trace'>

export interface GatewaySettings {
  readonly config: GatewayConfig
  readonly addresses: StatusAddresses
}

/**
 * Starts the gateway, with status for the objects it serves where that can be written back. A reload takes over what `load`
 * finds then without breaking a connection.
 */
export async function startGatewayComponent(
  load: () => GatewaySettings | Promise<GatewaySettings>,
  context: ComponentContext,
): Promise<Described> {
  const { startGateway } = await import('#ingress')
  let settings = await load()
  const gateway = await startGateway({ ...context, config: settings.config })
  const startStatus = () =>
    context.writeBack?.gatewayStatus({ ...statusOf(settings), problems: () => gateway.problems() })
  let status = startStatus()
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
      const before = settings
      const next = await load()
      if (!isDeepStrictEqual(next.config, before.config)) await gateway.reconfigure(next.config)
      settings = next
      if (isDeepStrictEqual(statusOf(next), statusOf(before))) return
      await status?.stop()
      status = startStatus()
    },
    async stop() {
      await status?.stop()
      await gateway.stop()
    },
  }
}

/** What the status of objects depends on. */
function statusOf({ config: { ingressClass }, addresses }: GatewaySettings) {
  const { statusAddresses, publishService } = addresses
  return { ingressClass, statusAddresses, publishService }
}
