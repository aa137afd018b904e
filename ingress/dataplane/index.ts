export { AccessLog } from './access-log.ts'
export type { CompiledRoute } from './compiled-route.ts'
export { RequestContext } from './context.ts'
export { DataPlane } from './data-plane.ts'
