import type { GatewayComponent } from '#ingress'
import type { Component } from './component.ts'
import type { StatusAddresses } from './gateway-status.ts'
import type { WriteBack } from './write-back.ts'

type Described = Component & Pick<GatewayComponent, 'describeRoutes'>

/** A gateway whose objects get a status; the gateway alone where nothing can be written back. */
export function gatewayWithStatus(
  gateway: GatewayComponent,
  writeBack: WriteBack | undefined,
  settings: StatusAddresses & { readonly ingressClass: string },
): Described {
  if (writeBack === undefined) return gateway
  const status = writeBack.gatewayStatus({ ...settings, problems: () => gateway.problems() })
  return {
    name: gateway.name,
    health: () => {
      const { ok, detail } = gateway.health()
      return { ok, detail: [detail, status.health().detail].filter((part) => part !== undefined).join('; ') }
    },
    describeRoutes: () => gateway.describeRoutes(),
    async stop() {
      await status.stop()
      await gateway.stop()
    },
  }
}
