import type { EndpointPort, EndpointSlice, SliceEndpoint } from '../objects/endpoint-slice.ts'
import { type CompactMetadata, CompactObject, compactMetadata } from './compact-object.ts'
import { packEndpoints, unpackEndpoints } from './packed-endpoints.ts'

/** An EndpointSlice whose endpoints are one string, decoded for those who read them. */
export class CompactSlice extends CompactObject implements EndpointSlice {
  readonly addressType: EndpointSlice['addressType']
  readonly ports: readonly EndpointPort[]
  /** packed-endpoints.ts */
  readonly packed: string

  constructor(metadata: CompactMetadata, content: Pick<CompactSlice, 'addressType' | 'ports' | 'packed'>) {
    super(metadata)
    this.addressType = content.addressType
    this.ports = content.ports
    this.packed = content.packed
  }

  static of({ metadata, addressType, ports, endpoints }: EndpointSlice): CompactSlice {
    return new CompactSlice(compactMetadata(metadata), {
      addressType,
      ports,
      packed: packEndpoints(endpoints),
    })
  }

  get apiVersion(): string {
    return 'discovery.k8s.io/v1'
  }

  get kind(): 'EndpointSlice' {
    return 'EndpointSlice'
  }

  get endpoints(): readonly SliceEndpoint[] {
    return unpackEndpoints(this.packed)
  }

  toJSON(): EndpointSlice {
    const { apiVersion, kind, metadata, addressType, endpoints, ports } = this
    return { apiVersion, kind, metadata: metadata.toJSON(), addressType, endpoints, ports }
  }
}
