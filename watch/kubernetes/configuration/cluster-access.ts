import type { TlsMaterial } from '../connection/dial.ts'
import type { Authorization } from './authorization.ts'

/** How to reach one cluster's API servers and who to be there. */
export interface ClusterAccess {
  readonly servers: readonly URL[]
  readonly proxy?: URL | undefined
  /** Certificates as they are now; files are read anew. Throws KubeconfigError. */
  tls(): Promise<TlsMaterial>
  readonly authorization: Authorization
  /** where objects of our own (Lease) belong by default */
  readonly namespace: string
  /** for messages: the file, or 'the service account of this pod' */
  readonly origin: string
  /** set by the source: called when certificates changed and connections have to be renewed */
  onRenew: () => void
}
