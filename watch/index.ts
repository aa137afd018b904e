/** The endpoint watch cache: sources, typed store, views, change sets. See README.md. */

export { ServiceCIDRError } from './control/address-range.ts'
export type { CertificateFiles } from './kubernetes/configuration/certificate-access.ts'
export { KubeconfigError } from './kubernetes/configuration/kubeconfig-error.ts'
export { ApiConnectionError, ApiError } from './kubernetes/errors.ts'
export {
  type KubernetesSource,
  type KubernetesSourceOptions,
  kubernetesSource,
} from './kubernetes/kubernetes-source.ts'
export { type KindNeed, type NeedingComponent, needsOf } from './kubernetes/needs.ts'
export {
  EventRecorder,
  type EventRecorderOptions,
  type EventText,
} from './kubernetes/write/event-recorder.ts'
export {
  electLeader,
  gatewayLease,
  type LeaderElection,
  type LeaderElectionOptions,
} from './kubernetes/write/leader-election.ts'
export {
  ObjectWriter,
  type ObjectWriterOptions,
  type PatchOptions,
} from './kubernetes/write/object-writer.ts'
export { StatusReconciler, type WantedStatus } from './kubernetes/write/status-reconciler.ts'
export {
  ManifestDirectoryError,
  type ManifestSourceOptions,
  manifestSource,
} from './manifest/manifest-source.ts'
export { describeProblem } from './manifest/problem-log.ts'
export { type MemorySource, memorySource } from './memory-source.ts'
export { canonicalAddress, canonicalCIDR, familyOf } from './objects/address.ts'
export type { Decoded } from './objects/decode.ts'
export { decodeObject, InvalidObjectError, mustDecode } from './objects/decode.ts'
export {
  headlessLabel,
  managedByLabel,
  serviceNameLabel,
} from './objects/endpoint-slice.ts'
export { type FieldProblem, formatPath } from './objects/field.ts'
export type * from './objects/index.ts'
export { isKind, kindFacts, kinds } from './objects/kinds.ts'
export { keyFrom, keyOf } from './objects/meta.ts'
export { importNameLabel, sourceClusterLabel } from './objects/service-import.ts'
export { type OpenStoreOptions, openStore, type SnapshotOptions } from './open-store.ts'
export { feedReplica, type ReplicaFeed, type ReplicaFeedOptions } from './replica/replica-feed.ts'
export { type ReplicaSourceOptions, replicaSource } from './replica/replica-source.ts'
export type { Change, FileStatus, Problem, Regarding, Sink, Source, SourceStatus } from './source.ts'
export type { ChangeSet, Notify, ObjectChange, SubscribeOptions, Subscription } from './store/change-set.ts'
export type { IndexName } from './store/indexes.ts'
export { Store } from './store/store.ts'
export type { Endpoint, PortEndpoints, ServiceEndpoints } from './view/endpoint.ts'
export { endpointsOfPort } from './view/endpoint.ts'
export { EndpointsView } from './view/endpoints-view.ts'
export { mergeSlices } from './view/merge.ts'
