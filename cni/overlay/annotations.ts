/** Names of flannel's Node annotations (pkg/subnet/kube/annotations.go). */
export interface AnnotationNames {
  readonly managed: string
  readonly backendType: string
  readonly backendData: Readonly<Record<4 | 6, string>>
  /** Where other nodes send packets: written by a node for the others. */
  readonly publicIp: Readonly<Record<4 | 6, string>>
  /** Written by people: advertise this address (of a NAT) instead of the interface's. */
  readonly publicIpOverwrite: Readonly<Record<4 | 6, string>>
  /** Written by people: the address that chooses the interface, where no --public-ip is given. */
  readonly nodePublicIp: Readonly<Record<4 | 6, string>>
}

export const DEFAULT_ANNOTATION_PREFIX = 'flannel.alpha.coreos.com'

/** An annotation prefix that cannot be used; the message says what one looks like. */
export class AnnotationPrefixError extends Error {
  readonly code = 'OVERLAY_ANNOTATION_PREFIX'

  constructor(prefix: string) {
    super(
      `annotation prefix '${prefix}' is none: it is a domain, with or without a name after one slash, such as ` +
        `${DEFAULT_ANNOTATION_PREFIX} or example.org/net2`,
    )
    this.name = 'AnnotationPrefixError'
  }
}

/**
 * The names with a prefix as flannel's --kube-annotation-prefix takes it: 'example.org' gives
 * 'example.org/backend-data', 'example.org/net2' gives 'example.org/net2-backend-data'.
 */
export function annotationNames(prefix: string = DEFAULT_ANNOTATION_PREFIX): AnnotationNames {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(\/([A-Za-z0-9]([-A-Za-z0-9_.]*)?)?)?$/.test(prefix)) {
    throw new AnnotationPrefixError(prefix)
  }
  const start = !prefix.includes('/') ? `${prefix}/` : /[/-]$/.test(prefix) ? prefix : `${prefix}-`
  const both = (four: string, six: string): Readonly<Record<4 | 6, string>> => ({
    4: `${start}${four}`,
    6: `${start}${six}`,
  })
  return {
    managed: `${start}kube-subnet-manager`,
    backendType: `${start}backend-type`,
    backendData: both('backend-data', 'backend-v6-data'),
    publicIp: both('public-ip', 'public-ipv6'),
    publicIpOverwrite: both('public-ip-overwrite', 'public-ipv6-overwrite'),
    nodePublicIp: both('node-public-ip', 'node-public-ipv6'),
  }
}
