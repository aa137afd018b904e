/** The endpoint watch cache: sources, typed store, views, change sets. See README.md. */

export {
  headlessLabel,
  managedByLabel,
  serviceNameLabel,
} from './objects/endpoint-slice.ts'
export type * from './objects/index.ts'
export { isKind, kindFacts, kinds } from './objects/kinds.ts'
export { keyFrom, keyOf } from './objects/meta.ts'
export type { Change, FileStatus, Problem, Sink, Source, SourceStatus } from './source.ts'
export type { ChangeSet, Notify, ObjectChange, SubscribeOptions, Subscription } from './store/change-set.ts'
export type { Endpoint, PortEndpoints, ServiceEndpoints } from './view/endpoint.ts'
export { endpointsOfPort } from './view/endpoint.ts'
