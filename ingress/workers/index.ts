export { MergedRegistry } from './merged-registry.ts'
export { openSharedState, type SharedState } from './shared-memory.ts'
export { WorkerPool } from './worker-pool.ts'
