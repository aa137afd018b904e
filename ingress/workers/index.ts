export { MergedRegistry } from './merged-registry.ts'
export { countFor } from './shared-counters.ts'
export { WorkerPool } from './worker-pool.ts'
