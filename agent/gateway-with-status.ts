import type { GatewayComponent } from '#ingress'
import type { StatusAddresses } from './gateway-status.ts'
import type { WriteBack } from './write-back.ts'

/** A gateway whose objects get a status; the gateway alone where nothing can be written back. */
export function gatewayWithStatus(
  gateway: GatewayComponent,
  writeBack: WriteBack | undefined,
  settings: StatusAddresses & { readonly ingressClass: string },
): GatewayComponent {
  if (writeBack === undefined) return gateway
  const status = writeBack.gatewayStatus({ ...settings, problems: () => gateway.problems() })
  const { name, listen, adminListen } = gateway
  return {
    name,
    listen,
    adminListen,
    // It changes as workers come and go.
    get processes() {
      return gateway.processes
    },
    health: () => {
      const { ok, detail } = gateway.health()
      return { ok, detail: [detail, status.health().detail].filter((part) => part !== undefined).join('; ') }
    },
    problems: () => gateway.problems(),
    describeRoutes: () => gateway.describeRoutes(),
    async stop() {
      await status.stop()
      await gateway.stop()
    },
  }
}
