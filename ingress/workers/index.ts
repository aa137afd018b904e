export { MergedRegistry } from './merged-registry.ts'
export { WorkerPool } from './worker-pool.ts'
