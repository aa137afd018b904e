/** The HTTP gateway: data plane, Admin API, translation of Ingress and the ApisixRoute family. See README.md. */

export type { GatewayConfig } from './config/gateway-config.ts'
export { loadGatewayConfig, parseGatewayConfig } from './config/load.ts'
export type { RequestTrace, TraceRequest } from './dataplane/index.ts'
export { GatewayConfigError, GatewayListenError } from './errors.ts'
export {
  type GatewayComponent,
  type GatewayOptions,
  type RouteDescription,
  startGateway,
} from './gateway.ts'
export type {
  ExternalAnswer,
  ExternalFields,
  ExternalPlugin,
  ExternalRequest,
  ExternalResponse,
} from './plugins/ext-plugin/api.ts'
export type { Plugin, PluginAnswer, PluginEnvironment, PluginInstance } from './plugins/index.ts'
