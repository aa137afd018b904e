/** A message that cannot be decoded, or a record that cannot be encoded. The codec throws nothing else. */
export class WireError extends Error {
  readonly code:
    | 'DNS_WIRE_SHORT'
    | 'DNS_WIRE_NAME'
    | 'DNS_WIRE_POINTER'
    | 'DNS_WIRE_FORMAT'
    | 'DNS_WIRE_VALUE'
  /** Octet in the message at which decoding stopped, if it was decoding. */
  readonly offset: number | undefined

  constructor(code: WireError['code'], message: string, offset?: number) {
    super(offset === undefined ? message : `${message} (octet ${offset})`)
    this.name = 'WireError'
    this.code = code
    this.offset = offset
  }
}
